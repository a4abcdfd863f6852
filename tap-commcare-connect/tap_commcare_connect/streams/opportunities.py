"""Organizations, programs, opportunities, and the contents of an opportunity's detail."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare_connect.streams.base import ConnectStream


class OrganizationsStream(ConnectStream):
    """Organizations of which the user is a member; opportunities may refer to others."""

    name = "organizations"
    is_of_opportunity = False
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the organization."),
        "slug": c.text("Short name, by which other streams refer to it."),
        "name": c.text("Name."),
        "funder": c.boolean("Whether it funds programs."),
    }


class ProgramsStream(ConnectStream):
    """Programs of the user's organizations; opportunities may refer to others."""

    name = "programs"
    is_of_opportunity = False
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the program."),
        "name": c.text("Name."),
        "delivery_type": c.text("Slug of the delivery type."),
        "currency": c.text("ISO 4217 code."),
        "organization": c.text("Slug of the organization that owns it."),
        "funder": c.text("Slug of the organization that funds it."),
        "watchers": c.json_array("Slugs of organizations that watch it."),
    }


class OpportunitiesStream(ConnectStream):
    """Opportunities: list entry and detail in one record."""

    name = "opportunities"
    is_of_opportunity = False
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the opportunity."),
        "name": c.text("Name."),
        "description": c.text("Long description."),
        "short_description": c.text("Short description."),
        "date_created": c.timestamp("When it was created."),
        "date_modified": c.timestamp(
            "When it was changed; changes of its apps and payment units do not count."
        ),
        "organization": c.text("Slug of the organization that delivers."),
        "supervising_organization": c.text("Slug of the organization that supervises."),
        "program": c.integer("The program that it belongs to."),
        "start_date": c.date("First day."),
        "end_date": c.date("Last day."),
        "is_active": c.boolean("Whether it is active and has not ended."),
        "visit_count": c.integer("Number of visits, of any status."),
        "max_visits_per_user": c.integer(
            "Maximum visits of a worker: the sum of the payment units' limits."
        ),
        "daily_max_visits_per_user": c.integer("Maximum visits of a worker per day."),
        "budget_per_user": c.integer("Maximum earnings of a worker."),
        "budget_per_visit": c.integer("Sum of the amounts of the payment units."),
        "total_budget": c.integer("Budget of the opportunity."),
        "currency": c.text("ISO 4217 code."),
        "learn_app": c.json_object("The app that workers learn with."),
        "deliver_app": c.json_object("The app that workers deliver with."),
        "payment_units": c.json_array("Payment units as the detail lists them; often empty."),
        "verification_flags": c.json_object("Times of day between which forms are expected."),
    }


class PaymentUnitsStream(ConnectStream):
    """Payment units of opportunities.

    If the detail of an opportunity lists none, those that workers have claimed are used, of which
    only the ids are known.
    """

    name = "payment_units"
    key = ("payment_unit_id",)
    columns = {
        "payment_unit_id": c.key("UUID of the payment unit."),
        "id": c.integer("Id by which completed works and payments refer to it."),
        "name": c.text("Name."),
        "max_total": c.integer("Maximum per worker."),
        "max_daily": c.integer("Maximum per worker and day."),
        "amount": c.integer("Amount that is paid."),
        "end_date": c.date("Last day."),
    }


class LearnModulesStream(ConnectStream):
    """Modules of the apps; opportunities that share an app share its modules."""

    name = "learn_modules"
    key = ("id",)
    columns = {
        "id": c.key_integer("Id of the module."),
        "app": c.integer("The app that it belongs to."),
        "slug": c.text("Short name."),
        "name": c.text("Name."),
        "description": c.text("Description."),
        "time_estimate": c.integer("Estimated hours."),
    }
