"""Visits, completed works, payments and invoices."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare_connect.streams.base import ConnectStream


class VisitsStream(ConnectStream):
    """Visits, by id; one form can create several.

    No timestamp moves reliably with an edit, so all visits are read again from time to time.
    """

    name = "visits"
    path = "user_visits"
    key = ("id",)
    replication_key = "id"
    first_page_rows = 50  # a visit contains its form: 40 kB each make a page of the target size
    columns = {
        "id": c.key_integer("Id of the visit; increases with the time of receipt."),
        "username": c.text("The worker."),
        "user_id": c.text("UUID of the user."),
        "user_visit_id": c.text("UUID of the visit."),
        "deliver_unit": c.integer("What was delivered."),
        "entity_id": c.text("Recipient of the delivery; may contain names."),
        "entity_name": c.text("Name of the recipient."),
        "visit_date": c.timestamp("When the form was started, by the phone's clock."),
        "status": c.text("pending, approved, rejected, over_limit, duplicate or trial."),
        "reason": c.text("Why it was rejected."),
        "location": c.text("Latitude, longitude, altitude, accuracy."),
        "flagged": c.boolean("Whether it was flagged."),
        "flag_reason": c.json_object("Why it was flagged: codes and messages."),
        "form_json": c.json_object("The form as CommCare HQ forwarded it."),
        "completed_work": c.integer("The completed work to which it counts."),
        "status_modified_date": c.timestamp("When the status was changed."),
        "review_status": c.text("pending, agree or disagree."),
        "review_created_on": c.timestamp("When it was reviewed."),
        "justification": c.text("Justification of the review."),
        "date_created": c.timestamp("When the server received it."),
        "completed_work_id": c.integer("The same as completed_work."),
        "deliver_unit_id": c.integer("The same as deliver_unit."),
        "images": c.json_array("Images of the form, if include_images is set."),
    }


class CompletedWorksStream(ConnectStream):
    """Completed works: the visits to one entity for one payment unit."""

    name = "completed_works"
    path = "completed_works"
    identity = ("username", "entity_id", "payment_unit_id", "date_created")
    columns = {
        "username": c.text("The worker."),
        "payment_unit_id": c.integer("The payment unit."),
        "status": c.text("pending, approved, rejected, over_limit or incomplete."),
        "last_modified": c.timestamp("When it was last saved; most changes do not update it."),
        "entity_id": c.text("Recipient of the delivery."),
        "entity_name": c.text("Name of the recipient."),
        "reason": c.text("Why it was rejected."),
        "status_modified_date": c.timestamp("When the status was changed."),
        "payment_date": c.timestamp("When it was paid."),
        "date_created": c.timestamp("When it was created."),
        "saved_completed_count": c.integer("Completed visits."),
        "saved_approved_count": c.integer("Approved visits."),
        "saved_payment_accrued": c.integer("Earned by the worker."),
        "saved_payment_accrued_usd": c.number("Earned by the worker, in US dollars."),
        "saved_org_payment_accrued": c.integer("Earned by the organization."),
        "saved_org_payment_accrued_usd": c.number("Earned by the organization, in US dollars."),
    }


class PaymentsStream(ConnectStream):
    """Payments to workers and to the organization; the latter have no username."""

    name = "payments"
    path = "payment"
    identity = ("username", "created_at", "amount", "organization", "invoice_id")
    columns = {
        "username": c.text("The worker; null for a payment to the organization."),
        "created_at": c.timestamp("When the payment was entered."),
        "amount": c.number("Amount in the currency of the opportunity."),
        "amount_usd": c.number("Amount in US dollars."),
        "date_paid": c.timestamp("When it was paid."),
        "payment_unit": c.integer("The payment unit, if known."),
        "confirmed": c.boolean("Whether the worker confirmed it."),
        "confirmation_date": c.timestamp("When the worker confirmed it."),
        "organization": c.text("Slug of the organization that was paid."),
        "invoice_id": c.integer("Its invoice; invoices do not have this number."),
        "payment_method": c.text("How it was paid."),
        "payment_operator": c.text("Operator through whom it was paid."),
    }


class InvoicesStream(ConnectStream):
    """Invoices; a number is unique within its opportunity."""

    name = "invoices"
    path = "invoice"
    key = ("opportunity_id", "invoice_number")
    columns = {
        "invoice_number": c.key("Number of the invoice."),
        "amount": c.number("Amount in the currency of the opportunity."),
        "amount_usd": c.number("Amount in US dollars, if converted."),
        "date": c.date("Date of the invoice."),
        "service_delivery": c.boolean("Whether it is for service delivery."),
        "exchange_rate": c.integer("Id of the exchange rate, not the rate itself."),
    }
