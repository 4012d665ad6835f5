"""The paper's equations as executable statements: each is checked, and so is each mutation of it."""

from .catalogue import all_statements, select, slips
from .errata import ERRATA, Grade
from .proof import Step
from .statement import Effort, Evidence, Form, Statement
from .verdict import Verdict
from .verify import judge, judge_all

__all__ = [
    "ERRATA",
    "Effort",
    "Evidence",
    "Form",
    "Grade",
    "Statement",
    "Step",
    "Verdict",
    "all_statements",
    "judge",
    "judge_all",
    "select",
    "slips",
]
