"""What is delivered and paid."""

from __future__ import annotations

from tap_commcare_connect import columns as s
from tap_commcare_connect.streams.base import ConnectStream


class VisitsStream(ConnectStream):
    """Visits, by id; several may come of one form.

    An edit moves no timestamp that is reliable, so visits come again in full now and then.
    """

    name = "visits"
    path = "user_visits"
    key = ("id",)
    replication_key = "id"
    first_page_rows = 50
    fields = {  # noqa: RUF012 - never changed
        "id": s.key_integer("Identity of the visit; grows with time of receipt."),
        "username": s.text("The worker."),
        "user_id": s.text("The user, a UUID."),
        "user_visit_id": s.text("Another identity of the visit, a UUID."),
        "deliver_unit": s.integer("What was delivered."),
        "entity_id": s.text("To whom it was delivered; may hold names."),
        "entity_name": s.text("Name of to whom it was delivered."),
        "visit_date": s.moment("When the form was begun, by the phone's clock."),
        "status": s.text("pending, approved, rejected, over_limit, duplicate or trial."),
        "reason": s.text("Why it was rejected."),
        "location": s.text("Latitude, longitude, altitude, accuracy."),
        "flagged": s.flag("Whether it was flagged."),
        "flag_reason": s.json_object("Why it was flagged: codes and messages."),
        "form_json": s.json_object("The form as CommCare HQ forwarded it."),
        "completed_work": s.integer("The completed work that it counts for."),
        "status_modified_date": s.moment("When the status was changed."),
        "review_status": s.text("pending, agree or disagree."),
        "review_created_on": s.moment("When it was reviewed."),
        "justification": s.text("Justification of the review."),
        "date_created": s.moment("When the server received it."),
        "completed_work_id": s.integer("The same as completed_work."),
        "deliver_unit_id": s.integer("The same as deliver_unit."),
        "images": s.json_array("Images of the form, if include_images is set."),
    }


class CompletedWorksStream(ConnectStream):
    """Completed works: the visits to one entity for one payment unit."""

    name = "completed_works"
    path = "completed_works"
    identity = ("username", "entity_id", "payment_unit_id", "date_created")
    fields = {  # noqa: RUF012 - never changed
        "username": s.text("The worker."),
        "payment_unit_id": s.integer("The payment unit."),
        "status": s.text("pending, approved, rejected, over_limit or incomplete."),
        "last_modified": s.moment("When it was last saved; most changes do not move it."),
        "entity_id": s.text("To whom it was delivered."),
        "entity_name": s.text("Name of to whom it was delivered."),
        "reason": s.text("Why it was rejected."),
        "status_modified_date": s.moment("When the status was changed."),
        "payment_date": s.moment("When it was paid."),
        "date_created": s.moment("When it was created."),
        "saved_completed_count": s.integer("Completed visits."),
        "saved_approved_count": s.integer("Approved visits."),
        "saved_payment_accrued": s.integer("Earned by the worker."),
        "saved_payment_accrued_usd": s.amount("Earned by the worker, in US dollars."),
        "saved_org_payment_accrued": s.integer("Earned by the organization."),
        "saved_org_payment_accrued_usd": s.amount("Earned by the organization, in US dollars."),
    }


class PaymentsStream(ConnectStream):
    """Payments to workers, and to the organization, whose have no username."""

    name = "payments"
    path = "payment"
    identity = ("username", "created_at", "amount", "organization", "invoice_id")
    fields = {  # noqa: RUF012 - never changed
        "username": s.text("The worker; null for a payment to the organization."),
        "created_at": s.moment("When the payment was entered."),
        "amount": s.amount("Amount in the currency of the opportunity."),
        "amount_usd": s.amount("Amount in US dollars."),
        "date_paid": s.moment("When it was paid."),
        "payment_unit": s.integer("The payment unit, if told."),
        "confirmed": s.flag("Whether the worker confirmed it."),
        "confirmation_date": s.moment("When the worker confirmed it."),
        "organization": s.text("Slug of the organization that was paid."),
        "invoice_id": s.integer("Its invoice; the invoices do not show this number."),
        "payment_method": s.text("How it was paid."),
        "payment_operator": s.text("Through whom it was paid."),
    }


class InvoicesStream(ConnectStream):
    """Invoices; a number is unique within its opportunity."""

    name = "invoices"
    path = "invoice"
    key = ("opportunity_id", "invoice_number")
    fields = {  # noqa: RUF012 - never changed
        "invoice_number": s.key("Number of the invoice."),
        "amount": s.amount("Amount in the currency of the opportunity."),
        "amount_usd": s.amount("Amount in US dollars; not always converted."),
        "date": s.day("Date of the invoice."),
        "service_delivery": s.flag("Whether it is for service delivery."),
        "exchange_rate": s.integer("Number of the rate that was used, not the rate."),
    }
