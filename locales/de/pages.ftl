skip = Zum Inhalt springen
none = keine
to-start = Zum Anfang
sign-out = Abmelden

start-title = Sie sind nicht angemeldet
start-how = Öffnen Sie den Link, den Sie vom Betreiber bekommen haben. Die Administration erzeugt einen auf der Kommandozeile.
signed-out-title = Sie sind abgemeldet
signed-out-text = Dieser Browser behält nichts von Ihrer Sitzung. Schließen Sie das Fenster, wenn andere dieses Gerät benutzen.

link-title = Anmelden
link-admin = Dieser Link meldet Sie als Administrator von { $workspace } an.
link-operator = Dieser Link meldet Sie als Betreiber dieser Installation an.
link-button = Anmelden
link-once = Er gilt einmal, innerhalb von 30 Minuten. Wenn Sie ihn nicht erwartet haben, schließen Sie diese Seite.

me-title = Wer Sie sind
me-operator = Sie sind Betreiber dieser Installation.
me-another = Bei einem anderen Arbeitsbereich anmelden
me-shown = Name
me-teams = Teams
me-roles = Rollen
sessions-title = Ihre Sitzungen
sessions-browser = Browser
sessions-begun = Begonnen
sessions-seen = Zuletzt gesehen
sessions-this = Diese Sitzung
sessions-unknown = Unbekannt
sessions-end = Beenden
sessions-end-others = Alle anderen beenden

refused-title = Das hat nicht geklappt
refused-reference = Wenn Sie um Hilfe bitten, nennen Sie diese Referenz:
refused-session = Sie sind nicht angemeldet, oder Ihre Sitzung ist vorbei.
refused-link = Dieser Link gilt nicht mehr oder hat nie gegolten. Bitten Sie um einen neuen.
refused-missing = Das gibt es hier nicht.
refused-rights = Das dürfen Sie nicht.
refused-elsewhere = Dieses Formular kam von einer anderen Seite. Es ist nichts geschehen.
refused-hurry = Das war zu viel auf einmal. Versuchen Sie es gleich noch einmal.
refused-away = Der Dienst ist gerade nicht erreichbar. Versuchen Sie es bald wieder; es ist nichts geschehen.
refused-fault = Bei uns ist etwas schiefgegangen. Es ist nichts geschehen.
refused-request = Die Anfrage war nicht zu verstehen. Es ist nichts geschehen.

sign-in-title = Anmelden
sign-in-who = Ihre Arbeitsadresse oder der Name Ihres Arbeitsbereichs
sign-in-go = Weiter
sign-in-nothing = Dafür ist kein Weg hinein bekannt. Versuchen Sie es mit dem Namen Ihres Arbeitsbereichs oder fragen Sie dessen Administrator.
ways-title = Anmelden bei { $workspace }
ways-by = Weiter mit { $name }
ways-none = Es gibt keinen Arbeitsbereich dieses Namens, bei dem man sich hier anmeldet.
ways-again = Einen anderen Namen versuchen

login-state = Diese Anmeldung hat zu lange gedauert, ist schon erfolgt oder hat nicht hier begonnen. Beginnen Sie neu.
login-browser = Diese Anmeldung hat in einem anderen Browser begonnen. Beginnen Sie in diesem neu.
login-provider = Der Anmeldedienst Ihres Unternehmens hat Sie nicht angemeldet. Er sagt:
login-away = Der Anmeldedienst Ihres Unternehmens ist nicht erreichbar. Versuchen Sie es bald wieder.
login-answer = Auf die Antwort des Anmeldedienstes Ihres Unternehmens ist kein Verlass. Sagen Sie es Ihrem Administrator.
login-tenant = Der Anmeldedienst Ihres Unternehmens kennt Sie als jemanden aus einer anderen Organisation, die hier keinen Zugang hat.
login-weak = Dieser Arbeitsbereich verlangt einen stärkeren oder neueren Nachweis, wer Sie sind. Melden Sie sich beim Anmeldedienst Ihres Unternehmens neu an.
login-unknown = Sie sind noch kein Mitglied dieses Arbeitsbereichs. Bitten Sie dessen Administrator um eine Einladung oder darum, dass das Verzeichnis Ihres Unternehmens Sie meldet.
login-unproved = In diesem Arbeitsbereich gibt es jemanden mit Ihrer Adresse, und nichts belegt, dass Sie es sind. Melden Sie sich an wie bisher oder bitten Sie einen Administrator, Sie zu verknüpfen.
login-several = Mehr als ein Mitglied könnte gemeint sein. Ein Administrator kann das richtige verknüpfen.
login-another-identity = Das Mitglied, das Sie zu sein scheinen, ist beim Anmeldedienst Ihres Unternehmens jemand anderes. Fragen Sie einen Administrator.
login-left = Sie sind kein Mitglied dieses Arbeitsbereichs mehr. Ein Administrator kann Sie zurückholen.
login-shut-out = Ihr Zugang zu diesem Arbeitsbereich ist gesperrt. Fragen Sie einen Administrator.
login-asked = Sie sind noch kein Mitglied dieses Arbeitsbereichs. Die Administration weiß, dass Sie Zugang möchten; melden Sie sich wieder an, sobald Sie von dort hören.
login-declined = Sie sind kein Mitglied dieses Arbeitsbereichs. Ihre Bitte um Zugang wurde abgelehnt.
login-no-seat = Alle Plätze dieses Arbeitsbereichs sind vergeben. Fragen Sie einen Administrator.

connections-title = Verbindungen
connections-test = { $name } prüfen
connection-untried = so nicht geprüft
connection-proved = geprüft, nicht eingeschaltet
connection-enabled = eingeschaltet

tested-title = Die Probeanmeldung gelang
tested-holds = Was { $name } geantwortet hat, gilt. Niemand wurde dadurch angemeldet und nichts verknüpft.
tested-outcome = Was aus Ihrer Anmeldung würde
tested-by-identity = Sie würden als { $member } angemeldet; damit sind Sie verknüpft.
tested-by-directory = Sie würden mit { $member } aus dem Verzeichnis Ihres Unternehmens verknüpft und angemeldet.
tested-by-address = Sie würden mit { $member } verknüpft, wo es Ihre Adresse gibt, und angemeldet.
tested-new = Sie würden ein neues Mitglied.
tested-asks = Sie würden nicht angemeldet: Die Administration würde gefragt, ob Sie Zugang bekommen.
tested-warnings = Was so nicht gelingen wird
tested-claims = Was über Sie gesagt wurde
tested-claim = Angabe
tested-value = Wert
tested-next = Die Verbindung kann nun eingeschaltet werden, in der Befehlszeile oder über die API.
tested-back = Zurück
warning-pairwise-subject = Entra gibt derselben Person für jede Anwendung ein anderes sub. Setzen Sie den Bezeichner auf /oid, die Objekt-ID der Person.
warning-other-external-id = Das Verzeichnis führt diese Person unter einer anderen externalId. Bilden Sie in Entra objectId auf externalId ab (üblich ist mailNickname); lassen Sie in Okta externalId, wie sie ist; melden Sie die Person dann neu.
warning-no-address = Es kam keine Adresse. Ergänzen Sie beim Anbieter den Scope oder die Angabe für E-Mail, sonst wird niemand über eine Adresse gefunden.
warning-address-not-vouched = Der Anbieter sagt nicht, dass die Adresse der Person gehört (email_verified); über sie wird niemand gefunden. Gleichen Sie über das Verzeichnis ab.
warning-name-is-not-address = Der Anmeldename der Person ist nicht ihre Adresse. Gleichen Sie über externalId ab, nicht über userName.
warning-groups-left-out = Die Person ist in zu vielen Gruppen für das Token. Nehmen Sie Gruppen aus dem Verzeichnis.

signed-out-there = Beim Anmeldedienst Ihres Unternehmens sind Sie vielleicht noch angemeldet und kommen ohne Frage wieder hinein.
signed-out-go = Auch dort abmelden
