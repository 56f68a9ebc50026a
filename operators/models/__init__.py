"""Tables of supply: companies, people, vehicles, papers, runs, boardings."""

from operators.models.companies import Member, Operator, Paper, Vehicle
from operators.models.runs import Boarding, Run

__all__ = ["Boarding", "Member", "Operator", "Paper", "Run", "Vehicle"]
