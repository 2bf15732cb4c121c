"""Console commands, level and log."""

from __future__ import annotations

from sim_bridge.airsim.calls.registry import Context, rpc
from sim_bridge.embedded.console import run_command


@rpc("simRunConsoleCommand", note="MAGE's own commands; others are taken and ignored")
def run_console_command(context: Context, command: str) -> bool:
    run_command(context.simulator, command)
    return True


@rpc("simPrintLogMessage")
def print_log_message(_: Context, message: str, message_param: str, severity: int) -> None:
    return None
