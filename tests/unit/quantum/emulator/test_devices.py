"""Recorded devices: what is in the files, and that damaged ones are refused."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, get_args

import pytest

from omnixan.edge_network.api.edgecluster import MAX_QUBITS
from omnixan.edge_network.api.edgenode import Calibration
from omnixan.edge_network.api.meta import Device as DeviceName
from omnixan.edge_network.quantum import devices
from omnixan.edge_network.quantum.emulator.calibration import best_region, mean_distance, report
from omnixan.edge_network.quantum.emulator.drift import drifted
from tests.unit.quantum.emulator.makers import line

NAMES = devices.names()


def raw(name: str = "manila") -> dict[str, Any]:
    return dict(json.loads((resources.files(devices) / f"{name}.json").read_text()))


def test_the_schema_knows_exactly_the_recorded_devices() -> None:
    assert tuple(get_args(DeviceName)) == NAMES
    assert len(NAMES) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_small_names_its_source_and_is_plausible(name: str) -> None:
    path = resources.files(devices) / f"{name}.json"
    assert len(path.read_bytes()) <= 30 * 1024
    device = devices.load(name)
    assert 5 <= device.width <= min(20, MAX_QUBITS)
    assert device.source.package and device.source.version and name in device.source.path
    assert device.source.calibrated.startswith("20")
    assert 0 < device.median_error() < 0.1
    assert all(qubit.t2 <= 2 * qubit.t1 and qubit.readout > 0 for qubit in device.qubits)
    assert all((b, a) in device.by_pair for a, b in device.by_pair), "both directions are calibrated"


def test_a_device_nobody_knows_is_refused_with_the_list() -> None:
    with pytest.raises(devices.DeviceError, match=r"'osprey' is not known; recorded are .*guadalupe.*manila"):
        devices.load("osprey")
    with pytest.raises(devices.DeviceError, match="not known"):
        devices.load("../devices/manila")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d["qubits"][1].update(t1=-1.0), "t1"),
        (lambda d: d["qubits"][1].update(p01=1.5), "p01"),
        (lambda d: d["qubits"][1].pop("p10"), "p10"),
        (lambda d: d["couplings"][0].update(qubits=[0, 9]), "numbered from 0 to 4"),
        (lambda d: d["couplings"].append(d["couplings"][0]), "twice"),
        (lambda d: d.update(couplings=d["couplings"][:2]), "not connected"),
        (lambda d: d.update(device="lima"), "it is that of 'lima'"),
        (lambda d: d.update(surprise=1), "surprise"),
    ],
)
def test_a_damaged_file_is_named(spoil: Any, message: str) -> None:
    data = raw()
    spoil(data)
    with pytest.raises(devices.DeviceError, match="calibration of manila is damaged") as caught:
        devices.parse("manila", json.dumps(data).encode())
    assert message in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_calibration_report_is_a_valid_status(name: str) -> None:
    device = devices.load(name)
    calibration = Calibration.model_validate(report(device))
    assert [region.qubits for region in calibration.regions or []] == list(range(1, device.width + 1))
    assert calibration.id == device.id and calibration.time.endswith("Z")
    assert float(calibration.two_qubit_error) == pytest.approx(device.median_error(), rel=1e-4)
    assert len(json.dumps(report(device))) < 4096, "it is written into the API server as often as it changes"


def test_a_region_is_connected_and_prefers_good_qubits() -> None:
    device = devices.load("guadalupe")
    for size in range(2, device.width + 1):
        region = best_region(device, size)
        assert len(set(region)) == size
        assert mean_distance(device, region) >= 1  # would be missing lengths if it were not connected
    assert mean_distance(line(3), (0, 1, 2)) == pytest.approx((1 + 1 + 2) / 3)
    lima = devices.load("lima")
    a, b = best_region(lima, 2)
    errors = [lima.coupling_error(x, y) for x, y in lima.by_pair]
    assert lima.coupling_error(a, b) <= sorted(errors)[len(errors) // 2]


def test_drift_is_seeded_goes_both_ways_and_moves_slowly() -> None:
    device = devices.load("perth")
    assert drifted(device, 1, 10.0) == drifted(device, 1, 10.0)
    assert drifted(device, 1, 10.0).id not in {drifted(device, 2, 10.0).id, drifted(device, 1, 11.0).id, device.id}
    ratios = [drifted(device, seed, 24.0).median_error() / device.median_error() for seed in range(30)]
    assert min(ratios) < 0.9 and max(ratios) > 1.1 and 0.7 < sorted(ratios)[15] < 1.4
    near, far = (drifted(device, 3, hours).median_error() for hours in (24.0, 24.1))
    assert abs(near / far - 1) < 0.1
    assert "drift model: seed 3" in drifted(device, 3, 24.0).method
