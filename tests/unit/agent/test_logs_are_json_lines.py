import json
import logging

from omnixan.edge_network.agent.logs import JsonFormatter
from omnixan.edge_network.agent.version import release


def test_a_record_is_one_line_with_ecs_names_even_with_a_traceback():
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        problem = (type(error), error, error.__traceback__)
    record = logging.LogRecord("omnixan.x", logging.WARNING, "f.py", 1, "run %s", ("a\nb",), problem)
    line = JsonFormatter({"service.name": "omnixan-agent"}).format(record)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["log.level"], entry["log.logger"], entry["message"]) == ("warning", "omnixan.x", "run a\nb")
    assert entry["service.name"] == "omnixan-agent" and "ValueError" in entry["error.stack_trace"]
    assert entry["@timestamp"].endswith("+00:00")


def test_there_is_always_a_release():
    assert release()[0].isdigit()
