"""Who uses a project space, and how they are grouped."""

from __future__ import annotations

from typing import ClassVar

from tap_common.stream import ApiStream

from tap_commcare.columns import ARRAY, FLAG, KEY, OBJECT, TEXT, Field, columns

_PERSON = (
    Field("id", KEY, "Identity of the user."),
    Field("username", TEXT, "Login name; of a mobile worker with its domain, of others an e-mail."),
    Field("first_name", TEXT, "First name."),
    Field("last_name", TEXT, "Last name."),
    Field("email", TEXT, "E-mail address."),
    Field("default_phone_number", TEXT, "First phone number."),
    Field("phone_numbers", ARRAY, "All phone numbers."),
    Field("role", TEXT, "Name of the role."),
    Field("user_data", OBJECT, "Fields that the project space defines for its users."),
    Field("eulas", TEXT, "Agreements that the user accepted, as the API spells them."),
)

USERS = (
    *_PERSON,
    Field("is_active", FLAG, "Whether the user is active, not deactivated."),
    Field("language", TEXT, "Language of the user."),
    Field("groups", ARRAY, "Groups that the user is in."),
    Field("locations", ARRAY, "Locations that the user is assigned to."),
    Field("primary_location", TEXT, "The first of these."),
)

WEB_USERS = (
    *_PERSON,
    Field("is_admin", FLAG, "Whether the user administers the project space."),
    Field("permissions", OBJECT, "What the user may do; names change with releases of HQ."),
    Field("profile", TEXT, "Profile of the user's fields."),
    Field("primary_location_id", TEXT, "First location that the user is assigned to."),
    Field("assigned_location_ids", ARRAY, "Locations that the user is assigned to."),
    Field("is_active_in_domain", FLAG, "Whether the user is active in this project space."),
    Field("tableau_role", TEXT, "Role in Tableau."),
)

GROUPS = (
    Field("id", KEY, "Identity of the group."),
    Field("name", TEXT, "Name."),
    Field("users", ARRAY, "Its active members."),
    Field("case_sharing", FLAG, "Whether members share their cases."),
    Field("reporting", FLAG, "Whether it is used in reports."),
    Field("metadata", OBJECT, "Further facts."),
)


class UsersStream(ApiStream):
    """Mobile workers, active and deactivated."""

    name = "users"
    key = ("id",)
    columns: ClassVar = columns(USERS)


class WebUsersStream(ApiStream):
    """Web users."""

    name = "web_users"
    key = ("id",)
    columns: ClassVar = columns(WEB_USERS)


class GroupsStream(ApiStream):
    """Groups of mobile workers."""

    name = "groups"
    key = ("id",)
    columns: ClassVar = columns(GROUPS)
