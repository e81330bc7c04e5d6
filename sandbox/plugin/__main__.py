"""Hosts all providers in one process: ``python -m sandbox.plugin --ready FILE``.

The engine starts an executable for each provider of a stack. As a Python process each, 150 providers would take 10 GB.
So the executable is a thin launcher: it requests a provider from this host and passes its port on to the engine. The
provider lives as long as the launcher's connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.struct_pb2 import Struct
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.server import announce, listen, ready_file

# The SDK warns of its own deprecated names when it is imported.
warnings.filterwarnings("ignore", category=DeprecationWarning, module="pulumi_aws")

from sandbox.plugin.aws import AwsError  # noqa: E402 - the filter has to be set first
from sandbox.plugin.provider import AwsProvider  # noqa: E402 - as above

_MAX_MESSAGE_BYTES = 400 * 2**20  # what the engine itself allows
_OPTIONS = (("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),)


def main() -> None:
    """Serve until SIGTERM."""
    asyncio.run(_serve(ready_file("sandbox.plugin", __doc__)))


async def _serve(ready: Path) -> None:
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    host = await asyncio.start_unix_server(_host_provider, sock=listen(ready))
    announce(ready, port=0)  # it listens on no port
    await end.wait()
    host.close()


# In a state, the engine may represent an archive by its hash alone, which the SDK does not accept as an archive. So it
# passes through the SDK with another signature, which is changed back afterwards.
_ARCHIVE = (rpc._special_sig_key, rpc._special_archive_sig)
_HASH = ("signature", "hash of an archive")
_CONTENTS = {"assets", "path", "uri"}


def _sign(message: Any, old: tuple[str, str], new: tuple[str, str]) -> Any:  # noqa: ANN401 - protobuf has no types
    """Change the signature of all archives in a message that consist of a hash alone."""
    key, value = old
    for _, struct in message.ListFields():
        for field in struct.fields.values() if isinstance(struct, Struct) else ():
            inner = field.struct_value.fields if field.HasField("struct_value") else {}
            if key in inner and inner[key].string_value == value and not inner.keys() & _CONTENTS:
                inner[new[0]].string_value = new[1]
                del inner[key]
    return message


def _archives(message: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - as above
    """Yield key and fields of every archive in a message, except in its old values."""
    key, value = _ARCHIVE
    for part, struct in message.ListFields():
        before = part.name.startswith("old")
        for name, field in struct.fields.items() if isinstance(struct, Struct) and not before else ():
            inner = field.struct_value.fields if field.HasField("struct_value") else {}
            if key in inner and inner[key].string_value == value:
                yield name, inner


class _Errors(grpc.aio.ServerInterceptor):  # type: ignore[misc] # grpc has no types
    """Passes errors for the operator to the engine without a class name, and keeps the hashes of archives."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # noqa: ANN401 - grpc
        handler = await continuation(handler_call_details)
        if handler is None or handler.unary_unary is None:
            return handler

        async def respond(request: Any, context: Any) -> Any:  # noqa: ANN401 - as above
            # The SDK drops the hashes of archives, and a later diff has nothing else to compare.
            hashes = {name: inner["hash"].string_value for name, inner in _archives(request) if "hash" in inner}
            response = _sign(await handler.unary_unary(_sign(request, _ARCHIVE, _HASH), context), _HASH, _ARCHIVE)
            for name, inner in _archives(response):
                if name in hashes:
                    inner["hash"].string_value = hashes[name]
            return response

        async def guarded(request: Any, context: Any) -> Any:  # noqa: ANN401 - as above
            try:
                return await respond(request, context)
            except AwsError as error:
                await context.abort(grpc.StatusCode.UNKNOWN, str(error))

        return grpc.unary_unary_rpc_method_handler(
            guarded, request_deserializer=handler.request_deserializer, response_serializer=handler.response_serializer
        )


async def _host_provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Run a provider for one launcher: a line of JSON in, a line of JSON out, until the launcher disconnects."""
    request = json.loads(await reader.readline())
    server = grpc.aio.server(interceptors=[_Errors()], options=_OPTIONS)
    servicer = ProviderServicer([], version("pulumi-aws"), AwsProvider(request["environment"]), request["engine"])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        writer.write(json.dumps({"port": port}).encode() + b"\n")
        await writer.drain()
        await reader.read()
    except ConnectionError:
        pass  # the launcher is gone, and its provider with it
    finally:
        await server.stop(grace=None)
        writer.close()


if __name__ == "__main__":
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    main()
