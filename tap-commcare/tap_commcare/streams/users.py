"""The users of a project space, and their groups."""

from __future__ import annotations

from tap_common import columns as c

from tap_commcare.streams.base import DOMAIN, ListStream

_USER = {
    "id": c.key("Id of the user."),
    "domain": DOMAIN,
    "username": c.text(
        "User name: of a mobile worker with its domain, of others an e-mail address."
    ),
    "first_name": c.text("First name."),
    "last_name": c.text("Last name."),
    "email": c.text("E-mail address."),
    "default_phone_number": c.text("First phone number."),
    "phone_numbers": c.json_array("All phone numbers."),
    "role": c.text("Name of the role."),
    "user_data": c.json_object("Fields that the project space defines for its users."),
    "eulas": c.text("Agreements that the user accepted, as the API spells them."),
}


class UsersStream(ListStream):
    """Mobile workers, active and deactivated."""

    name = "users"
    path = "user/v1"
    key = ("id",)
    columns = {
        **_USER,
        "is_active": c.boolean("Whether the user is active, not deactivated."),
        "language": c.text("Language of the user."),
        "groups": c.json_array("Groups that the user is in."),
        "locations": c.json_array("Locations that the user is assigned to."),
        "primary_location": c.text("The first of these."),
    }


class WebUsersStream(ListStream):
    """Web users."""

    name = "web_users"
    path = "web-user/v1"
    key = ("id",)
    columns = {
        **_USER,
        "is_admin": c.boolean("Whether the user administers the project space."),
        "permissions": c.json_object("What the user may do; names change with releases of HQ."),
        "profile": c.text("Profile of the user's fields."),
        "primary_location_id": c.text("First location that the user is assigned to."),
        "assigned_location_ids": c.json_array("Locations that the user is assigned to."),
        "is_active_in_domain": c.boolean("Whether the user is active in this project space."),
        "tableau_role": c.text("Role in Tableau."),
    }


class GroupsStream(ListStream):
    """Groups of mobile workers."""

    name = "groups"
    path = "group/v1"
    key = ("id",)
    columns = {
        "id": c.key("Id of the group."),
        "domain": DOMAIN,
        "name": c.text("Name."),
        "users": c.json_array("Its active members."),
        "case_sharing": c.boolean("Whether members share their cases."),
        "reporting": c.boolean("Whether it is used in reports."),
        "metadata": c.json_object("Custom data of the group."),
    }
