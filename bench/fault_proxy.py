"""TCP proxies in front of services, which fail in the way they are told to."""
import asyncio
import os
import threading

FLAP_S = 0.2
NOISE_BYTES = 200


class Proxies:
    """The loop that all of them run in."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def wait(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def start(self, port, target):
        proxy = Proxy(self, port, target)
        self.wait(proxy.open())
        return proxy

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Proxy:
    """Passes everything on until it is told otherwise. `made` counts the connections that were accepted."""

    def __init__(self, proxies, port, target):
        self.proxies, self.port, self.target = proxies, port, target
        self.made, self.mode, self.server, self.flapping, self.ends = 0, "pass", None, None, set()

    def fail(self, mode):
        """`kill`: the port closed and every connection cut; `flap`: so for 200 ms, and well for 200 ms, in turn; `garble`: noise
        for an answer; `silent`: nothing for an answer; `pass`: well again."""
        self.proxies.wait(self.become(mode))

    async def become(self, mode):
        if self.flapping:
            self.flapping.cancel()
            self.flapping = None
        self.mode = mode
        if mode == "kill":
            self.close()
        elif mode == "flap":
            self.flapping = asyncio.ensure_future(self.flap())
        else:
            await self.open()

    async def flap(self):
        while True:
            self.close()
            await asyncio.sleep(FLAP_S)
            await self.open()
            await asyncio.sleep(FLAP_S)

    async def open(self):
        if not self.server:
            self.server = await asyncio.get_running_loop().create_server(lambda: Client(self), "127.0.0.1", self.port, backlog=1024)

    def close(self):
        if self.server:
            self.server.close()
            self.server = None
        for end in list(self.ends):
            end.transport.abort()


class End(asyncio.Protocol):
    """One of the two connections of a pair."""

    def __init__(self, proxy):
        self.proxy, self.transport, self.other = proxy, None, None

    def connection_made(self, transport):
        self.transport = transport
        self.proxy.ends.add(self)

    def connection_lost(self, _):
        self.proxy.ends.discard(self)
        if self.other and self.other.transport:
            self.other.transport.close()


class Client(End):
    """The end of whoever calls the service."""

    def __init__(self, proxy):
        super().__init__(proxy)
        # What has lost a piece stays lost, as a connection through a dead router does.
        self.lost, self.waiting = False, []

    def connection_made(self, transport):
        super().connection_made(transport)
        self.proxy.made += 1
        asyncio.ensure_future(self.connect())

    async def connect(self):
        try:
            _, service = await asyncio.get_running_loop().create_connection(lambda: Service(self), "127.0.0.1", self.proxy.target)
        except OSError:
            self.transport.abort()
            return
        self.other = service
        service.transport.writelines(self.waiting)
        if self.transport.is_closing():
            service.transport.close()

    def data_received(self, data):
        self.lost = self.lost or self.proxy.mode in ("garble", "silent")
        if not self.lost:
            self.other.transport.write(data) if self.other else self.waiting.append(data)
        elif self.proxy.mode == "garble":
            self.transport.write(os.urandom(NOISE_BYTES))


class Service(End):
    """The end of the service."""

    def __init__(self, client):
        super().__init__(client.proxy)
        self.other = client

    def data_received(self, data):
        self.other.lost = self.other.lost or self.proxy.mode in ("garble", "silent")
        if not self.other.lost:
            self.other.transport.write(data)
