"""Tables of supply: companies, people, vehicles, papers, runs, boardings, and how they are paid."""

from operators.models.agreements import Agreement, HoldBack
from operators.models.companies import Member, Operator, Paper, Vehicle
from operators.models.runs import Boarding, Run

__all__ = ["Agreement", "Boarding", "HoldBack", "Member", "Operator", "Paper", "Run", "Vehicle"]
