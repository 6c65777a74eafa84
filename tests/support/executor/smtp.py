"""An SMTP server in a few lines: keeps what is handed in, and says no where it is told to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

USUAL = {"DATA": "354 go on", "QUIT": "221 bye", "AUTH": "235 welcome", "STARTTLS": "220 go on"}


@dataclass
class MailServer:
    """answers: given in place of the usual ones, by command, the first one first. tls: offered by
    STARTTLS.
    """

    answers: dict[str, list[str]] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    mails: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["MailServer"]:
        server = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        with suppress(OSError):  # a client that does not like the certificate leaves
            while (line := (await reader.readline()).decode().strip()) and await self._answer(
                line, reader, writer
            ):
                pass
        writer.close()

    async def _answer(
        self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether there is more to say."""
        command = line.split()[0].upper()
        self.said.append(line)
        answer = USUAL.get(command, "250 fine")
        if command == "EHLO":
            answer = f"250-here\r\n{'250-STARTTLS' if self.tls else '250-SIZE'}\r\n250 AUTH PLAIN"
        if self.answers.get(command):
            answer = self.answers[command].pop(0)
        writer.write(f"{answer}\r\n".encode())
        if command == "STARTTLS" and self.tls is not None:
            await writer.start_tls(self.tls)
        if command == "DATA" and answer.startswith("354"):
            self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"250 kept\r\n")
        return command != "QUIT"
