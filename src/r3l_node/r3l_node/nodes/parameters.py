# SPDX-License-Identifier: Apache-2.0
"""Configuration dataclasses as read-only ROS parameters."""

from typing import TypeVar

from r3l_node.core.parameters import build, flatten, Spec, specs
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

T = TypeVar('T')

# Declared by rclpy itself.
_OF_ROS = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')
_INT64 = (-(2**63), 2**63 - 1)


def declare(node: Node, config_type: type[T]) -> T:
    """
    Declare one read-only ROS parameter per field of a configuration and return their values.

    Call it once per node. A name that no field has is an error: a misspelt line of a parameter
    file would otherwise do nothing for a night.

    :param node: owner; its parameter overrides are the values.
    :param config_type: see :mod:`r3l_node.core.parameters`.
    :raises ParameterError: one sentence, for the first wrong value.
    """
    # rclpy tells overrides only to declare_parameter, one name at a time, where wrong types and
    # ranges raise before we can explain them, and unknown names are never seen at all.
    overrides = node._parameter_overrides
    values = {
        name: override.value
        for name, override in overrides.items()
        if not name.startswith(_OF_ROS)
    }
    config = build(config_type, values, node=node.get_name())
    by_name = flatten(config)
    for spec in specs(config_type):
        value = by_name[spec.name]
        node.declare_parameter(
            spec.name,
            list(value) if spec.array else value,
            _descriptor(spec),
            ignore_override=True,
        )
    return config


def _descriptor(spec: Spec) -> ParameterDescriptor:
    text = spec.description
    if spec.choices is not None:
        text += f'; one of {", ".join(map(str, spec.choices))}'
    # Dynamic, because an empty list has no type of its own.
    descriptor = ParameterDescriptor(
        name=spec.name, description=text, read_only=True, dynamic_typing=spec.array
    )
    if spec.range is None or spec.array:
        return descriptor
    low, high = spec.range
    if spec.kind is float:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high), step=0.0)
        ]
    elif spec.kind is int:
        descriptor.integer_range = [
            IntegerRange(
                from_value=int(max(low, _INT64[0])), to_value=int(min(high, _INT64[1])), step=1
            )
        ]
    return descriptor
