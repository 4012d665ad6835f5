"""The paper's equations as executable statements: each is checked, and so is each mutation of it."""

from .catalogue import all_statements, select, slips
from .errata import ERRATA, Grade
from .statement import Effort, Evidence, Form, Statement, Verdict
from .verify import judge, judge_all, weakness

__all__ = [
    "ERRATA",
    "Effort",
    "Evidence",
    "Form",
    "Grade",
    "Statement",
    "Verdict",
    "all_statements",
    "judge",
    "judge_all",
    "select",
    "slips",
    "weakness",
]
