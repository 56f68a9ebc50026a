"""Addresses of supply: the office of a bus company."""

from django.urls import path

from operators.views import board, companies, failing, fleet, money, papers, people, running

app_name = "operators"
urlpatterns = [
    path("", companies.home, name="home"),
    path("register/", companies.register, name="register"),
    path("company/", companies.change, name="company"),
    path("choose/", companies.choose, name="choose"),
    path("board/", board.board, name="board"),
    path("trips/<slug:code>/", board.trip, name="trip"),
    path("trips/<slug:code>/commit/", board.commit, name="commit"),
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/add/", fleet.add, name="add_vehicle"),
    path("fleet/<uuid:vehicle_id>/", fleet.vehicle, name="vehicle"),
    path("fleet/<uuid:vehicle_id>/retire/", fleet.retire, name="retire"),
    path("people/", people.people, name="people"),
    path("people/add/", people.add, name="add_person"),
    path("people/<uuid:member_id>/", people.person, name="person"),
    path("people/<uuid:member_id>/deactivate/", people.deactivate, name="deactivate"),
    path("papers/", papers.papers, name="papers"),
    path("runs/", running.runs, name="runs"),
    path("runs/<slug:code>/", running.run, name="run"),
    path("runs/<slug:code>/change/", running.change, name="change_run"),
    path("runs/<slug:code>/withdraw/", running.withdraw, name="withdraw_run"),
    path("runs/<slug:code>/give-up/", failing.give_up, name="give_up_run"),
    path("runs/<slug:code>/not-driven/", failing.leg_failed, name="leg_failed"),
    path("runs/<slug:code>/manifest/", running.manifest, name="manifest"),
    path("runs/<slug:code>/manifest.csv", running.manifest_csv, name="manifest_csv"),
    path("money/", money.money, name="money"),
    path("money/<int:year>-<int:month>/", money.statement, name="statement"),
    path("money/<int:year>-<int:month>.pdf", money.statement_paper, name="statement_paper"),
    path("money/<int:year>-<int:month>.csv", money.statement_csv, name="statement_csv"),
    path("money/payouts/", money.payouts, name="payouts"),
    path("money/onboard/", money.onboard, name="onboard"),
    path("money/onboard/again/", money.onboard_again, name="onboard_again"),
    path("money/onboarded/", money.onboarded, name="onboarded"),
]
