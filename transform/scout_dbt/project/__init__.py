"""The files that dbt reads: the dbt project, the models of users and the generated package."""
