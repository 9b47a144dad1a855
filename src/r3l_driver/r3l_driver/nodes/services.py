# SPDX-License-Identifier: Apache-2.0
"""What people and programs may ask of the driver."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from r3l_driver.core.bus_errors import PortLost
from r3l_driver.core.hand_driver import HandDriver, RequestError
from r3l_msgs.srv import RebootDxl
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

T = TypeVar('T')


class Ask(Protocol):
    """Runs something where the driver lives; returns None if that does not answer in time."""

    def __call__(self, action: Callable[[], T]) -> T | None:
        """Run it."""
        ...


def switch_off(driver: HandDriver, reason: str) -> bool:
    """
    Switch torque off until it is asked for; only where the driver lives.

    :return: whether it was read back as off, or there is no port.
    """
    driver.request_torque(False, reason)
    off = driver.release() or not driver.link.ready
    driver.cycle(act=False)
    return off


class Services:
    """
    Offer torque, reboot, clearing of faults and the emergency stop.

    :param node: owner of the services.
    :param driver: of the hand.
    :param ask: see :class:`Ask`.
    :param remember: writes to disk what a restart must know.
    """

    def __init__(
        self, node: Node, driver: HandDriver, ask: Ask, remember: Callable[[], None]
    ) -> None:
        self._driver = driver
        self._ask = ask
        self._remember = remember
        node.create_service(SetBool, 'driver/set_dxl_torque', self._on_torque)
        node.create_service(RebootDxl, 'driver/reboot_dxl', self._on_reboot)
        node.create_service(Trigger, 'driver/clear_fault', self._on_clear)
        node.create_service(Trigger, 'driver/emergency_stop', self._on_stop)

    def _on_torque(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if request.data:
            self._ask(lambda: self._driver.request_torque(True))
            response.success = True
            response.message = 'torque comes on as soon as that is safe; see driver/safety'
            return response
        reason = 'torque was switched off by a request'
        response.success = self._ask(lambda: switch_off(self._driver, reason)) or False
        response.message = _off(response.success)
        return response

    def _on_reboot(
        self, request: RebootDxl.Request, response: RebootDxl.Response
    ) -> RebootDxl.Response:
        try:
            self._ask(lambda: self._driver.request_reboot(request.id))
        except (RequestError, PortLost) as error:
            response.message = f'not rebooted: {error}'
            return response
        response.result = True
        response.message = f'servo {request.id} restarts; see driver/safety for when it is back'
        return response

    def _on_clear(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def clear() -> str:
            self._driver.clear_fault()
            self._driver.cycle(act=False)
            return f'{self._driver.safety.state.name} {self._driver.safety.reason}'.strip()

        state = self._ask(clear)
        self._remember()
        response.success = state is not None
        response.message = state or 'the driver does not answer'
        return response

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        reason = 'someone called driver/emergency_stop'

        def stop() -> bool:
            self._driver.emergency_stop(reason)
            off = self._driver.release()
            self._driver.cycle(act=False)
            return off

        off = self._ask(stop)
        self._driver.emergency_stop(reason)  # also where nobody answered
        self._remember()
        response.success = bool(off)
        response.message = _off(response.success)
        return response


def _off(read_back: bool) -> str:
    return 'torque is off' if read_back else 'torque was not read back as off: cut the power'
