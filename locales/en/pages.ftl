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
me-another = Sign in to another workspace
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

sign-in-title = Sign in
sign-in-who = Your work address, or the name of your workspace
sign-in-go = Go on
sign-in-nothing = No way in is known by this. Try the name of your workspace, or ask its administrator.
ways-title = Sign in to { $workspace }
ways-by = Go on with { $name }
ways-none = There is no workspace of this name in which people sign in here.
ways-again = Try another name

login-state = This login took too long, was made already, or did not begin here. Begin it again.
login-browser = This login began in another browser. Begin it again in this one.
login-provider = Your company's sign-in service did not sign you in. It says:
login-away = Your company's sign-in service cannot be reached. Try again soon.
login-answer = The answer of your company's sign-in service cannot be relied on. Tell your administrator.
login-tenant = Your company's sign-in service knows you as somebody of another organisation, which has no way in here.
login-weak = This workspace wants a stronger or more recent proof of who you are. Sign in at your company's sign-in service again.
login-unknown = You are not a member of this workspace yet. Ask its administrator for an invitation, or to have you pushed by your company's directory.
login-unproved = This workspace has somebody of your address, and nothing proves that this is you. Sign in as you did until now, or ask an administrator to link you.
login-several = More than one member might be meant. An administrator can link the right one.
login-another-identity = The member that you seem to be is somebody else at your company's sign-in service. Ask an administrator.
login-left = You are not a member of this workspace any more. An administrator can bring you back.
login-shut-out = Your access to this workspace is suspended. Ask an administrator.
login-asked = You are not a member of this workspace yet. Its administrator was told that you ask to come in; sign in again once you hear from there.
login-declined = You are not a member of this workspace. An administrator declined your request to come in.
login-no-seat = All seats of this workspace are taken. Ask an administrator.

connections-title = Connections
connections-test = Test { $name }
connection-untried = not tested as it is set
connection-proved = tested, not switched on
connection-enabled = switched on

tested-title = The test login worked
tested-holds = What { $name } answered holds. Nobody was signed in by this, and nothing was linked.
tested-outcome = What a login of yours would come to
tested-by-identity = You would be signed in as { $member }, who is linked to you.
tested-by-directory = You would be linked to { $member }, whom your company's directory pushed, and signed in.
tested-by-address = You would be linked to { $member }, who has your address, and signed in.
tested-new = You would become a new member.
tested-asks = You would not be signed in: an administrator would be asked to let you in.
tested-warnings = What will not work like this
tested-claims = What was said of you
tested-claim = Claim
tested-value = Value
tested-next = The connection may be switched on now, at the command line or by the API.
tested-back = Back
warning-pairwise-subject = Entra gives each application another sub for the same person. Set the subject to /oid, which is the person's object id.
warning-other-external-id = The directory has this person under another externalId. In Entra, map objectId to externalId (its usual mapping sends mailNickname); in Okta, leave externalId as it is; then push the person again.
warning-no-address = No address came. Add the scope or claim for e-mail at the provider, or nobody is found by an address.
warning-address-not-vouched = The provider does not say that the address is the person's own (email_verified), so nobody is found by it. Match by the directory instead.
warning-name-is-not-address = The person's name at sign-in is not the person's address. Match by externalId, not by userName.
warning-groups-left-out = The person is in too many groups for the token. Take groups from the directory instead.

signed-out-there = You may still be signed in at your company's sign-in service, and come in again without a question.
signed-out-go = Sign out there too
