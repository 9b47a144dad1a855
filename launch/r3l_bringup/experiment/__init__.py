# SPDX-License-Identifier: Apache-2.0
"""
Experiments: tasks x profiles x ablations x seeds, each a run of its own.

``description`` reads the file, ``session`` runs what is missing on an executor (``processes`` or
``cluster``), ``figures`` measures a run, ``summary`` takes means over seeds, ``table`` and
``plots`` show them.
"""
