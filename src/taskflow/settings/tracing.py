"""OpenTelemetry traces, with the extra `otel`."""

from pydantic import BaseModel, Field


class TracingSettings(BaseModel):
    """`TASKFLOW_TRACING_*`."""

    enabled: bool = Field(False, description="Trace tasks from enqueue through run; OTEL_* variables say where to.")
    service_name: str = Field("taskflow", description="Name of the service that spans belong to.")
