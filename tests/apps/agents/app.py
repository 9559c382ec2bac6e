"""An app that reports whether an agent watches the request. With INITIALIZE it starts
the agent itself."""

import os
import sys

match os.environ.get("INITIALIZE"):
    case "ddtrace":
        import ddtrace.auto
    case "newrelic":
        import newrelic.agent

        newrelic.agent.initialize()
    case "opentelemetry":
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        initialize()

import flask

app = flask.Flask(__name__)


@app.get("/")
def watched():
    if "ddtrace" in sys.modules:
        from ddtrace import tracer

        return str(tracer.current_span() is not None)
    if "newrelic" in sys.modules:
        from newrelic import agent

        return str(agent.current_transaction() is not None)
    if "opentelemetry" in sys.modules:
        from opentelemetry import trace

        return str(trace.get_current_span().get_span_context().is_valid)
    return "no agent"
