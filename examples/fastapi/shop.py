"""A FastAPI application: an order and the task that confirms it are committed together, or not at all.

To run it, in this folder:

    TASKFLOW_WORKER_IMPORTS='["shop"]' taskflow up           # in one terminal
    export TASKFLOW_DATABASE_URL=$(taskflow db url)          # in another
    uvicorn shop:app --port 8001

The application has a pool of its own (asyncpg), in the same database, and hands its connections to `enqueue_in`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

from taskflow.engine import Engine, task, worker_context


@task(queue="orders", max_retries=5, timeout=30)
async def confirm(order_id: int) -> str:
    """Confirm an order. It may run twice, so it says what shall be, not what to add."""
    await worker_context().database.pool.execute("UPDATE orders SET confirmed = true WHERE order_id = $1", order_id)
    return f"order {order_id} is confirmed"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the engine and our own pool once for the whole process."""
    async with Engine.open() as engine, asyncpg.create_pool(os.environ["TASKFLOW_DATABASE_URL"]) as pool:
        await pool.execute(
            "CREATE TABLE IF NOT EXISTS orders (order_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
            " item text NOT NULL, pieces int NOT NULL, confirmed boolean NOT NULL DEFAULT false)"
        )
        app.state.engine, app.state.pool = engine, pool
        yield


app = FastAPI(lifespan=lifespan)


async def get_engine(request: Request) -> Engine:
    """Return the engine of this process."""
    engine: Engine = request.app.state.engine
    return engine


class NewOrder(BaseModel):
    """What a customer sends."""

    item: str
    pieces: int = Field(ge=1)


class Order(BaseModel):
    """What they get."""

    order_id: int
    task_id: UUID


@app.post("/orders", status_code=201)
async def create_order(body: NewOrder, request: Request, engine: Annotated[Engine, Depends(get_engine)]) -> Order:
    """Take an order: the row and its task in one transaction."""
    async with request.app.state.pool.acquire() as connection:
        async with connection.transaction():
            order_id = await connection.fetchval(
                "INSERT INTO orders (item, pieces) VALUES ($1, $2) RETURNING order_id", body.item, body.pieces
            )
            handle = await engine.enqueue_in(connection, confirm, order_id=order_id)
            if body.pieces > 1_000:  # found out late: neither order nor task remain
                raise HTTPException(422, "So many we do not have.")
        await engine.dispatch([handle])  # committed: start at once instead of at the relay's next look
    return Order(order_id=order_id, task_id=handle.task_id)


@app.get("/tasks/{task_id}/result")
async def get_result(task_id: UUID, engine: Annotated[Engine, Depends(get_engine)]) -> str:
    """Wait up to ten seconds for what became of it."""
    end = await engine.end_of(task_id, timeout=10)
    return str(end.value(confirm))
