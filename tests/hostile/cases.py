"""The tables. Each module adds its rows to case.ALL when it is imported."""
from . import cases_kex, cases_order, cases_transport  # noqa: F401
