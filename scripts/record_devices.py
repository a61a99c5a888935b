#!/usr/bin/env python3
"""Extract recorded calibrations of real devices into node_agent/omnixan/edge_network/quantum/devices/*.json.

    scripts/record_devices.py            # downloads the package below into a temporary directory, and removes it

The numbers are facts that the vendor's own client package publishes as snapshots (`fake_provider/backends`): T1, T2, readout
errors, gate errors and durations, couplings, dates. The package itself is never installed: its wheel is opened as
an archive and only JSON is read from it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGE, VERSION = "qiskit-ibm-runtime", "0.51.0"
DEVICES = ("boeblingen", "guadalupe", "jakarta", "lagos", "lima", "manila", "melbourne", "perth", "quito")
OUT = Path(__file__).resolve().parents[1] / "node_agent/omnixan/edge_network/quantum/devices"
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
DEFAULT_SHOT_DELAY = 250e-6
"""Seconds; the vendor's default for the others, used where a snapshot does not say."""
FOLDER = "qiskit_ibm_runtime/fake_provider/backends"


def main() -> int:
    """Write one file a device."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"{PACKAGE}=={VERSION}", "-d", folder]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for device in DEVICES:
                recorded = record(archive, device)
                path = OUT / f"{device}.json"
                path.write_text(text(recorded))
                print(f"{path.name}: {len(recorded['qubits'])} qubits, {len(recorded['couplings'])} couplings")
    return 0


def record(archive: zipfile.ZipFile, device: str) -> dict[str, Any]:
    """Return one device's figures, times in seconds."""
    configuration = json.loads(archive.read(f"{FOLDER}/{device}/conf_{device}.json"))
    properties = json.loads(archive.read(f"{FOLDER}/{device}/props_{device}.json"))
    gates = properties["gates"]
    qubits = [_qubit(entries) for entries in properties["qubits"]]
    one = [name for name in ("sx", "x", "u1", "u2", "u3", "rz") if any(g["gate"] == name for g in gates)]
    for number, qubit in enumerate(qubits):
        qubit["gates"] = {g["gate"]: _gate(g) for g in gates if g["qubits"] == [number] and g["gate"] in one}
    pairs = {tuple(g["qubits"]): _gate(g) for g in gates if g["gate"] == "cx"}
    delay = configuration.get("default_rep_delay")
    return {
        "device": device,
        "source": {
            "package": PACKAGE,
            "version": VERSION,
            "path": f"{FOLDER}/{device}",
            "backend": f"{configuration['backend_name']} {configuration['backend_version']}",
            "calibrated": properties["last_update_date"],
            "notes": _notes(qubits, delay),
        },
        "shotDelay": DEFAULT_SHOT_DELAY if delay is None else delay * 1e-6,
        "qubits": _filled(qubits),
        "couplings": [{"qubits": list(pair), "cx": figures} for pair, figures in sorted(pairs.items())],
    }


def _notes(qubits: list[dict[str, Any]], delay: float | None) -> list[str]:
    notes = []
    if delay is None:
        notes.append("no pause between shots recorded: the vendor's usual 250 us are used")
    if any(q["t1"] is None or q["t2"] is None or q["readoutSeconds"] is None for q in qubits):
        notes.append("figures that are missing for a qubit are the median of the others")
    return notes


def _filled(qubits: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for name in ("t1", "t2", "readoutSeconds"):
        known = [q[name] for q in qubits if q[name] is not None]
        if not known:
            raise SystemExit(f"no qubit has {name}")
        for qubit in qubits:
            qubit[name] = statistics.median(known) if qubit[name] is None else qubit[name]
    return qubits


def _qubit(entries: list[dict[str, Any]]) -> dict[str, Any]:
    by_name = {entry["name"]: entry for entry in entries}

    def seconds(name: str) -> float | None:
        entry = by_name.get(name)
        return None if entry is None else entry["value"] * SECONDS[entry["unit"]]

    return {
        "t1": seconds("T1"),
        "t2": seconds("T2"),
        "p01": by_name["prob_meas0_prep1"]["value"],
        "p10": by_name["prob_meas1_prep0"]["value"],
        "readoutSeconds": seconds("readout_length"),
    }


def _gate(gate: dict[str, Any]) -> dict[str, float]:
    found = {entry["name"]: entry for entry in gate["parameters"]}
    length = found.get("gate_length")
    return {
        "error": found["gate_error"]["value"] if "gate_error" in found else 0.0,
        "seconds": length["value"] * SECONDS[length["unit"]] if length else 0.0,
    }


def text(recorded: dict[str, Any]) -> str:
    """Return the file's text: one qubit or coupling a line, six significant digits."""
    rounded = _rounded(recorded)
    lines = ["{"]
    for key in ("device", "source", "shotDelay"):
        lines.append(f"  {json.dumps(key)}: {json.dumps(rounded[key])},")
    for key, end in (("qubits", ","), ("couplings", "")):
        rows = ",\n".join(f"    {json.dumps(row)}" for row in rounded[key])
        lines += [f"  {json.dumps(key)}: [", rows, f"  ]{end}"]
    return "\n".join([*lines, "}", ""])


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main())
