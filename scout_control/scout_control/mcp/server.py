"""The server: the methods of the protocol, each answered in the name of a person.

Built on the SDK's low-level server: every answer has the form of ``envelope``, errors included,
and no text of an exception reaches a client or a log.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
)
from pydantic import ValidationError

from scout_control.errors import ControlError, NotFoundError, ServerError, SettingsError
from scout_control.mcp import prompts, resources
from scout_control.mcp.caller import Caller, Threads
from scout_control.mcp.envelope import (
    INTERNAL,
    error_code,
    failure,
    invalid_arguments,
    success,
)
from scout_control.mcp.tools import BY_NAME, TOOLS, Tool
from scout_control.rules.terminal import as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mcp.server.context import ServerRequestContext

    from scout_control.access.access import Access
    from scout_control.mcp.envelope import Envelope

log = logging.getLogger(__name__)
Result = TypeVar("Result")
NAME = "scout"


@dataclass(frozen=True)
class Handlers:
    """The methods of the protocol.

    Args:
        identify: Returns the installation as the sender of the current request may use it. Called
            in a thread, with the context of the request, each time that the store is used.
    """

    identify: Callable[[], Access]
    threads: Threads
    person: Callable[[], str]
    """Returns the sender of the current request, where there are several."""

    def _call(self, context: ServerRequestContext[Any, Any]) -> Caller:
        return Caller(self.threads, self.identify, context.session, self.person())

    async def list_tools(
        self, _context: ServerRequestContext[Any, Any], _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """Return all tools: what one may do is decided when it is called."""
        return ListToolsResult(tools=[each.listed for each in TOOLS])

    async def call_tool(
        self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        """Call a tool.

        Raises:
            MCPError: There is no such tool.
        """
        tool = BY_NAME.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, "Unknown tool; see tools/list.")
        envelope = await call(tool, self._call(context), params.arguments or {})
        document = envelope.model_dump(mode="json")
        return CallToolResult(
            content=[TextContent(type="text", text=as_json(document))],
            structured_content=document,
            is_error=not envelope.success,
        )

    async def list_resources(
        self, context: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        """Return the data dictionaries."""
        cursor = params.cursor if params else None
        return await self._run(
            context, lambda access: resources.listed(access, cursor), is_slow=False
        )

    async def list_resource_templates(
        self, _context: ServerRequestContext[Any, Any], _params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        """Return the forms of addresses of resources."""
        return resources.templates()

    async def read_resource(
        self, context: ServerRequestContext[Any, Any], params: ReadResourceRequestParams
    ) -> ReadResourceResult:
        """Return a resource."""
        uri = str(params.uri)
        return await self._run(context, lambda access: resources.read(access, uri))

    async def list_prompts(
        self, _context: ServerRequestContext[Any, Any], _params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        """Return the prompts."""
        return prompts.listed()

    async def get_prompt(
        self, context: ServerRequestContext[Any, Any], params: GetPromptRequestParams
    ) -> GetPromptResult:
        """Return a prompt.

        Raises:
            MCPError: There is no such prompt, or its arguments are invalid.
        """
        if params.name != prompts.EXPLAIN_DATA:
            raise MCPError(INVALID_PARAMS, "Unknown prompt; see prompts/list.")
        arguments: Mapping[str, Any] = params.arguments or {}
        return await self._run(
            context,
            lambda access: prompts.explain(access, prompts.Explain.model_validate(arguments)),
        )

    async def _run(
        self,
        context: ServerRequestContext[Any, Any],
        work: Callable[[Access], Result],
        *,
        is_slow: bool = True,
    ) -> Result:
        """Run something as the person; errors become those of the protocol."""
        try:
            return await self._call(context).run(work, is_slow=is_slow)
        except Exception as error:  # noqa: BLE001 - the SDK would log it with its text
            raise protocol_error(known(error)) from None


async def call(tool: Tool, caller: Caller, arguments: Mapping[str, Any]) -> Envelope[Any]:
    """Call a tool and return the envelope, whatever happens."""
    began = time.monotonic()
    try:
        answer = await tool.work(caller, tool.takes.model_validate(arguments))
    except Exception as error:  # noqa: BLE001 - the SDK would log it with its text
        return failure(known(error), _milliseconds_since(began))
    return success(answer, _milliseconds_since(began))


def known(error: Exception) -> ControlError:
    """Return an error that may be shown; of an unexpected one, only the class is logged."""
    if isinstance(error, ControlError):
        return error
    if isinstance(error, ValidationError):
        return invalid_arguments(error)
    if isinstance(error, psycopg.Error):
        return ServerError.of_postgres(error, error.sqlstate)
    log.error("internal_error type=%s", type(error).__name__)
    return INTERNAL


def protocol_error(error: ControlError) -> MCPError:
    """Return the error of the protocol, for methods whose result has no form for errors."""
    is_of_caller = isinstance(error, NotFoundError | SettingsError)
    envelope = failure(error, 0).model_dump(mode="json")
    return MCPError(
        INVALID_PARAMS if is_of_caller else INTERNAL_ERROR,
        f"{error_code(error)}: {error.cause}",
        envelope["error"],
    )


def _milliseconds_since(moment: float) -> int:
    return round((time.monotonic() - moment) * 1000)


def create_server(
    identify: Callable[[], Access],
    threads: Threads | None = None,
    person: Callable[[], str] = lambda: "",
) -> Server[Any]:
    """Return a server for one transport."""
    handlers = Handlers(identify, threads or Threads(), person)
    return Server(
        NAME,
        title="Scout",
        version=version("scout-control"),
        instructions=prompts.INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
    )
