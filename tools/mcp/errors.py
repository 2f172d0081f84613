"""What can come of talking to an MCP server. The texts are shown to clients and models, so they hold no secrets.

McpError
|-- Unreachable     there was no connection, it broke, or what came through it was no MCP
|   `-- Forbidden   this server's own rules do not let it be reached
|-- TimedOut        the server took longer than it may
`-- Rejected        it answered the request with an error of its own
"""


class McpError(Exception):
    """Something about an MCP server went wrong; the text says what."""


class Unreachable(McpError):
    """No connection, or one that broke, or one that does not speak MCP."""


class Forbidden(Unreachable):
    """This server may not go there."""


class TimedOut(McpError):
    """The MCP server did not answer in time."""


class Rejected(McpError):
    """The MCP server refused the request in so many words."""
