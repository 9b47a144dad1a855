# SPDX-License-Identifier: Apache-2.0
"""A host that speaks to an emulated bus without a device in between."""

import pytest
from r3l_driver.emulator.bus import EmulatedBus
from r3l_driver.emulator.main import make_bus
from r3l_driver.emulator.wire import BROADCAST, Decoder, encode, Instruction


class Host:
    """Sends instructions; answers are (id, error, data)."""

    def __init__(self, bus: EmulatedBus) -> None:
        self.bus = bus
        self.table = bus.servos[0].table

    def send(self, ident, code, parameters=b''):
        answers = b''.join(data for _, data in self.bus.feed(encode(ident, code, parameters)))
        packets = Decoder().feed(answers)
        return [(p.ident, p.parameters[0], p.parameters[1:]) for p in packets if p.intact]

    def error(self, ident, code, parameters=b''):
        ((_, error, _),) = self.send(ident, code, parameters)
        return error

    def write(self, ident, name, value):
        item = self.table[name]
        data = (value % (1 << 8 * item.size)).to_bytes(item.size, 'little')
        return self.error(ident, Instruction.WRITE, self._at(name) + data)

    def read(self, ident, name):
        item = self.table[name]
        ((_, _, data),) = self.send(ident, Instruction.READ, self.span(name, item.size))
        return item.decode(data)

    def sync_read(self, idents, name, length, fast=False):
        code = Instruction.FAST_SYNC_READ if fast else Instruction.SYNC_READ
        return self.send(BROADCAST, code, self.span(name, length) + bytes(idents))

    def sync_write(self, name, values):
        item = self.table[name]
        body = b''.join(bytes((i,)) + item.encode(value) for i, value in values.items())
        return self.send(BROADCAST, Instruction.SYNC_WRITE, self.span(name, item.size) + body)

    def span(self, name, length):
        return self._at(name) + length.to_bytes(2, 'little')

    def _at(self, name):
        return self.table[name].address.to_bytes(2, 'little')

    def wait(self, seconds, step=0.01):
        for _ in range(round(seconds / step)):
            self.bus.advance(step)


@pytest.fixture
def make_host():
    """Make a host with a bus of its own, without times on the wire."""

    def make(ids=(11, 12, 13), **options):
        return Host(make_bus(ids, timing=options.pop('timing', False), **options))

    return make


@pytest.fixture
def host(make_host):
    return make_host()
