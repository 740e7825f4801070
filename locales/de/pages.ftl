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
