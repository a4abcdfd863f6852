"""The CommCare Connect half of the sandbox: the data-export API and its OAuth server."""
