skip = Skip to the content
none = none
to-start = To the start
sign-out = Sign out

start-title = You are not signed in
start-how = Open the link that the operator of this deployment gave you. Its administrator makes one at the command line.
signed-out-title = You are signed out
signed-out-text = This browser keeps nothing of your session. Close the window if others use this device.

link-title = Sign in
link-admin = This link signs you in as an administrator of { $workspace }.
link-operator = This link signs you in as an operator of this deployment.
link-button = Sign in
link-once = It works once, within 30 minutes of its making. If you did not expect it, close this page.

me-title = Who you are
me-operator = You are an operator of this deployment.
me-shown = Name
me-teams = Teams
me-roles = Roles
sessions-title = Your sessions
sessions-browser = Browser
sessions-begun = Begun
sessions-seen = Last seen
sessions-this = This session
sessions-unknown = Unknown
sessions-end = End
sessions-end-others = End all others

refused-title = This did not work
refused-reference = If you ask for help, name this reference:
refused-session = You are not signed in, or your session is over.
refused-link = This link is not good any more, or never was. Ask for a new one.
refused-missing = What you asked for is not here.
refused-rights = You are not allowed to do this.
refused-elsewhere = This form was sent from another site. Nothing was done.
refused-hurry = That was too much at once. Try again in a moment.
refused-away = The service is away for the moment. Try again soon; nothing was done.
refused-fault = Something went wrong on our side. Nothing was done.
refused-request = The request was not understood. Nothing was done.
