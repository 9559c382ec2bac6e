"""Gunicorn's control socket, which does not exist here."""

from _rgunicorn import absent

absent.package(
    __name__,
    "there is no control socket; signals control the server",
    """
    cli: format_workers format_dirty format_stats format_listeners format_config format_help
        format_all format_response run_command run_interactive main
    client: ControlClient ControlClientError! parse_command
    handlers: CommandHandlers
    protocol: ControlProtocol ProtocolError! make_request make_response make_error_response
    server: ControlSocketServer
    """,
)

from gunicorn.ctl.client import ControlClient
from gunicorn.ctl.protocol import ControlProtocol
from gunicorn.ctl.server import ControlSocketServer

__all__ = ["ControlClient", "ControlProtocol", "ControlSocketServer"]
