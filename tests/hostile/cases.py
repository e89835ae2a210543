"""The tables. Each module adds its rows to case.ALL when it is imported."""
from . import cases_auth, cases_bytes, cases_certificates, cases_command, cases_config, cases_connection, cases_kex, cases_keys, cases_known_hosts, cases_krl, cases_machine, cases_numbers, cases_openssh, cases_order, cases_state, cases_steps, cases_text, cases_time, cases_transport  # noqa: F401
