"""The paper's equations as executable statements: each is checked, and so is each deliberate slip in it."""

from .catalogue import select, slips, statements
from .statement import Effort, Evidence, Form, Statement, Verdict
from .verify import judge, judge_all, rejections

__all__ = [
    "Effort",
    "Evidence",
    "Form",
    "Statement",
    "Verdict",
    "judge",
    "judge_all",
    "rejections",
    "select",
    "slips",
    "statements",
]
