"""The router: circuit breakers of providers."""

from pydantic import BaseModel, Field


class RouterSettings(BaseModel):
    """`TASKFLOW_ROUTER_*`."""

    faults: int = Field(5, ge=1, description="Faults in a row that open a provider's breaker.")
    fault_ratio: float = Field(0.5, gt=0, le=1, description="Share of faults in a window that opens it.")
    ratio_messages: int = Field(20, ge=1, description="Messages in a window before the share counts.")
    window_seconds: float = Field(60.0, gt=0, description="Length of that window.")
    open_seconds: float = Field(10.0, gt=0, description="How long it is open at first; doubles with each failed probe.")
    longest_open_seconds: float = Field(600.0, gt=0, description="The most that it grows to.")
    probes: int = Field(1, ge=1, description="Probes at a time, over all workers, while it is half-open.")
    good_probes: int = Field(3, ge=1, description="Good probes that close it.")
    probe_seconds: float = Field(300.0, gt=0, description="A probe without an answer for so long is given up for lost.")
