"""Organizations, programs, opportunities, and what an opportunity's detail holds."""

from __future__ import annotations

from tap_commcare_connect import columns as s
from tap_commcare_connect.streams.base import ConnectStream


class OrganizationsStream(ConnectStream):
    """Organizations of which the user is a member; opportunities may name others."""

    name = "organizations"
    is_of_opportunity = False
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the organization."),
        "slug": s.text("Its short name, by which other streams refer to it."),
        "name": s.text("Name."),
        "funder": s.flag("Whether it funds programs."),
    }


class ProgramsStream(ConnectStream):
    """Programs that the user's organizations own; opportunities may name others."""

    name = "programs"
    is_of_opportunity = False
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the program."),
        "name": s.text("Name."),
        "delivery_type": s.text("Slug of what is delivered."),
        "currency": s.text("ISO 4217 code."),
        "organization": s.text("Slug of the organization that owns it."),
        "funder": s.text("Slug of the organization that funds it."),
        "watchers": s.json_array("Slugs of organizations that watch it."),
    }


class OpportunitiesStream(ConnectStream):
    """Opportunities: the list and the detail in one record."""

    name = "opportunities"
    is_of_opportunity = False
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the opportunity."),
        "name": s.text("Name."),
        "description": s.text("Long description."),
        "short_description": s.text("Short description."),
        "date_created": s.moment("When it was created."),
        "date_modified": s.moment("When it was changed; not when its apps or units were."),
        "organization": s.text("Slug of the organization that delivers."),
        "supervising_organization": s.text("Slug of the organization that supervises."),
        "program": s.integer("The program that it belongs to."),
        "start_date": s.day("First day."),
        "end_date": s.day("Last day."),
        "is_active": s.flag("Whether it is active and has not ended."),
        "visit_count": s.integer("How many visits it has, of any status."),
        "max_visits_per_user": s.integer("Most visits of a worker: the sum of the units' limits."),
        "daily_max_visits_per_user": s.integer("Most visits of a worker in a day."),
        "budget_per_user": s.integer("What a worker can earn."),
        "budget_per_visit": s.integer("Sum of the amounts of the payment units."),
        "total_budget": s.integer("Budget of the opportunity."),
        "currency": s.text("ISO 4217 code."),
        "learn_app": s.json_object("The app that workers learn with."),
        "deliver_app": s.json_object("The app that workers deliver with."),
        "payment_units": s.json_array("Payment units as the detail shows them, often none."),
        "verification_flags": s.json_object("Times of day between which forms are expected."),
    }


class PaymentUnitsStream(ConnectStream):
    """What is paid for.

    Where the detail of an opportunity shows none, those that workers have claimed are taken, of
    which only the ids are known.
    """

    name = "payment_units"
    key = ("payment_unit_id",)
    fields = {  # noqa: RUF012 - never changed
        "payment_unit_id": s.key("Identity of the payment unit, a UUID."),
        "id": s.integer("Number by which completed works and payments refer to it."),
        "name": s.text("Name."),
        "max_total": s.integer("Most in all of a worker."),
        "max_daily": s.integer("Most in a day of a worker."),
        "amount": s.integer("What is paid."),
        "end_date": s.day("Last day."),
    }


class LearnModulesStream(ConnectStream):
    """Modules of the apps; opportunities that share an app share its modules."""

    name = "learn_modules"
    key = ("id",)
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the module."),
        "app": s.integer("The app that it belongs to."),
        "slug": s.text("Short name."),
        "name": s.text("Name."),
        "description": s.text("Description."),
        "time_estimate": s.integer("Hours that it should take."),
    }
