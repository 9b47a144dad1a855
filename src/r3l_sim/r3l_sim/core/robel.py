# SPDX-License-Identifier: Apache-2.0
"""
The meshes of the real D'Claw, from the PyPI package ``robel``, as a skin over our hand.

Only its STL files are read (Apache-2.0, The ROBEL Authors); the package is never imported.  What
the fingers touch and weigh stays that of our primitives, which are only hidden: the hand looks
like a D'Claw and moves exactly as before.

The places of the meshes are those of ``robel-scenes/dclaw/assets/chain3xh.xml``.  Its links point
along +z and their hinges are x and y exchanged: its frames are ours turned by half a turn.
"""

from importlib import metadata
import os
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from r3l_node.core.errors import ConfigError

VARIABLE = 'R3L_ROBEL'  # names a folder or a wheel where the package is not installed
FOLDER = 'robel/robel-scenes/dclaw/meshes'
# Our name of a mesh -> file, scale to metres, colour.
MESHES = {
    'servo': ('xh_base_high_poly.stl', 0.001, '0.16 0.16 0.18 1'),
    'bracket': ('xh_clamping_high_poly.stl', 0.001, '0.28 0.28 0.31 1'),
    'bracket_small': ('xh_clamping_small_high_poly.stl', 0.001, '0.28 0.28 0.31 1'),
    'fingertip': ('xh_finger_tip.stl', 0.001, '0.93 0.93 0.90 1'),
    'palm': ('acrylic_circle.stl', 0.1, '0.75 0.75 0.78 1'),
}
# Half turns from the frames of the package to ours, of the palm, of a finger's base, of its links.
_PALM, _BASE, _LINK = '0 1 0 0', '0 0.70710678 -0.70710678 0', '0 0.70710678 0.70710678 0'
# Part of the hand -> mesh, height [m] and turn [deg] in the frame of the package.
_PLACES: dict[str, tuple[str, tuple[tuple[str, float, str], ...]]] = {
    'palm': (_PALM, (('palm', 0.0, '0 0 0'),)),
    'base': (_BASE, (('servo', 0.01425, '90 0 90'),)),
    'link1': (
        _LINK,
        (
            ('bracket', 0.0, '0 0 90'),
            ('bracket_small', 0.055, '180 0 0'),
            ('servo', 0.068, '90 90 0'),
        ),
    ),
    'link2': (
        _LINK,
        (
            ('bracket', 0.0, '0 0 0'),
            ('bracket_small', 0.055, '180 0 0'),
            ('servo', 0.0686, '90 90 0'),
        ),
    ),
    'link3': (_LINK, (('bracket', 0.0, '0 0 0'), ('fingertip', 0.046, '0 0 0'))),
}


class RobelError(ConfigError):
    """The meshes are not there."""


def skin() -> dict[str, str]:
    """Return the MJCF of what is seen of each part of the hand."""
    return {part: _part_xml(*places) for part, places in _PLACES.items()}


def assets_xml() -> str:
    """Return the MJCF elements that name the meshes, to put into ``asset``."""
    return ''.join(
        f'<mesh name="robel_{name}" file="{file}" scale="{scale} {scale} {scale}"/>'
        for name, (file, scale, _) in MESHES.items()
    )


def load_meshes() -> dict[str, bytes]:
    """
    Read the mesh files.

    :return: content by file name.
    :raises RobelError: if the package is neither installed nor named by `VARIABLE`.
    """
    names = [file for file, _, _ in MESHES.values()]
    given = os.environ.get(VARIABLE, '')
    try:
        if not given:
            return {name: _installed(name).read_bytes() for name in names}
        source = Path(given).expanduser()
        if source.is_dir():
            return {name: _in_folder(source, name).read_bytes() for name in names}
        with ZipFile(source) as wheel:
            return {name: wheel.read(f'{FOLDER}/{name}') for name in names}
    except (OSError, KeyError, BadZipFile, metadata.PackageNotFoundError) as error:
        where = f"{VARIABLE} is '{given}'" if given else 'the package robel is not installed'
        raise RobelError(
            f"hand_model is 'robel' and {where} ({error}): expected its meshes, see "
            'requirements/robel.txt'
        ) from error


def _installed(name: str) -> Path:
    return Path(str(metadata.distribution('robel').locate_file(f'{FOLDER}/{name}')))


def _in_folder(folder: Path, name: str) -> Path:
    """Find a file in an unpacked wheel, or in the folder of the meshes itself."""
    inside = folder / FOLDER / name
    return inside if inside.exists() else folder / name


def _part_xml(turn: str, places: tuple[tuple[str, float, str], ...]) -> str:
    geoms = ''.join(
        f'<geom type="mesh" mesh="robel_{mesh}" pos="0 0 {height}" euler="{euler}" '
        f'rgba="{_colour(mesh)}" mass="0" contype="0" conaffinity="0" group="1"/>'
        for mesh, height, euler in places
    )
    return f'<frame quat="{turn}">{geoms}</frame>'


def _colour(mesh: str) -> str:
    return MESHES[mesh][2]
