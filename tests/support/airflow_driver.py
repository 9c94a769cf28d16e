"""Runs in Airflow's environment: tests a DAG for each line of JSON on stdin, answers with a line on stdout."""

import json
import os
import sys

# Airflow logs to stdout, which is ours.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.models.xcom import XComModel  # noqa: E402
from airflow.utils.session import create_session  # noqa: E402
from sqlalchemy import select  # noqa: E402


def tested(dag_id, conf):
    """State of the run, and try number, state and result of each task (``name`` or ``name[map_index]``)."""
    bag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    if bag.import_errors:
        return {"import_errors": bag.import_errors}
    run = bag.dags[dag_id].test(logical_date=None, run_conf=conf or None)
    tasks = {}
    with create_session() as session:
        returned = select(XComModel).where(XComModel.run_id == run.run_id, XComModel.key == "return_value")
        results = {(x.task_id, x.map_index): x.value for x in session.scalars(returned)}
        for ti in run.get_task_instances(session=session):
            name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
            result = results.get((ti.task_id, ti.map_index))
            tasks[name] = {"state": ti.state, "try": ti.try_number, "result": result}
    return {"state": run.state, "logical_date": str(run.logical_date), "tasks": tasks}


for line in sys.stdin:
    asked = json.loads(line)
    answers.write(json.dumps(tested(asked["dag"], asked["conf"]), default=str) + "\n")
    answers.flush()
