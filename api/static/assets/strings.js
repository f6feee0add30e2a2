// All words of the pages, in English and German; the browser's language chooses.
const en = {
  brand: "Logo studio", skip: "Skip to the results", nav: "Pages", watch: "Watch", reference: "API", studio: "Studio",
  title: "What should the logo show?", prompt: "Prompt", promptHint: "a red fox head, geometric", suggestions: "Suggestions",
  style: "Style", noStyle: "none", colors: "Colours", colorN: "Colour {n}", addColor: "Add a colour", ground: "Ground", addGround: "Colour of the ground",
  text: "Text in the logo", layout: "Layout", layout_icon: "symbol", layout_wordmark: "wordmark", layout_combination: "symbol and text",
  shape: "Shape", square: "square", variations: "Variations", source: "Start from an image", sourceDrop: "Drop, paste or choose an image",
  sourceType: "Only PNG, JPEG and WebP can be a start.", sourceLarge: "The image has more than 8 MiB.", sourceTaken: "Starts from {name}", sourceJob: "this logo",
  strength: "How much may change", makes: "Make", transparent: "Transparent ground", svg: "Vector (SVG)", icons: "Icons (zip)",
  more: "Size, seed, steps", size: "Size", steps: "Steps", seed: "Seed", auto: "automatic", random: "random", dice: "Another seed", lock: "Lock", locked: "Locked",
  literal: "Take the prompt word for word", draw: "Draw", yours: "Your logos", search: "Search", empty: "What you draw appears here, and stays in this browser.",
  nothingFound: "Nothing is called “{what}”.", remove: "Remove: {what}", seconds: "{n} s", minutes: "{n} min",
  promptShort: "Say what the logo shows, in {n} characters or more.", outOfBounds: "{field}: from {low} to {high}.",
  sending: "Sending …", queued: "Waiting", position: "Position {n} in the queue", running: "Drawing", step: "Step {n} of {of}", eta: "about {time} left",
  finishing: "Making the files", succeeded: "Done", failed: "Failed: {why}", canceled: "Canceled", canceling: "Is being canceled", expired: "Not drawn in time",
  gone: "The server no longer has this job.", offline: "No connection. The job goes on; trying again.", offlineSending: "The server cannot be reached. Trying again.",
  waits: "{why}. Again in {n} s.", locked401: "This needs an API key.", tooLarge: "That is more than the server takes.", answered: "The server answers with status {status}.", tryNow: "Try now", cancel: "Cancel", close: "Close", change: "Change it", drawAgain: "Draw again",
  like: "More like this", same: "The same, but …", copyLink: "Copy link", forget: "Delete", compareShort: "Compare", compareThis: "Compare: {what}", compare: "Compare {n}", compareTitle: "Side by side",
  progress: "Progress", grounds: "Ground", ground_white: "White", ground_dark: "Dark", ground_checker: "Checkerboard", variationN: "Variation {n}, seed {seed}",
  palette: "Colours of the drawing", copyColor: "Copy {color}", copied: "Copied", inUse: "In use", files: "Files", use_app: "App icon", use_paper: "Card", use_header: "Header",
  download: "Download", copyData: "Data URL", drewIn: "drawn in {n} s", filesGone: "The server no longer has the files of this logo. It can be drawn again, as it was.",
  filesAway: "The files cannot be had at the moment.",
  showMore: "Show {n} more", noJob: "There is no such job here. Jobs are kept for some time, and only their own key sees them.",
  keyTitle: "This server asks for a key", keyWhy: "It is kept until this tab is closed.", keyWrong: "That key is not known here.", key: "API key", leave: "Not now", goOn: "Go on",
  watchPage: "Watch - Logo studio", watchTitle: "What the cards do", operator: "Operator's key", operatorEnd: "Leave as operator", operatorTitle: "Operator's key", operatorWhy: "It shows jobs and keys, and opens the actions. It is kept until this tab is closed.",
  workers: "Workers", queue: "Queue", audit: "Audit log", ends: "Last ends", noAnswer: "The server does not answer.", lastSeen: "The figures are {n} s old.",
  noWorkers: "No worker is alive.", queueEmpty: "Nothing waits.", noEnds: "Nothing has ended yet.", noAudit: "No operator has done anything yet.",
  ready: "ready", loads: "loads", draws: "draws", paused: "paused", pausing: "ends its job, then pauses", draining: "drains", waitsForRoom: "waits for memory",
  memory: "Memory", perImage: "{n} s an image", notMeasured: "no image yet", imagesN: "{n} images", attemptN: "attempt {n}", ofKey: "Key", noKey: "none",
  pause: "Pause", drain: "Drain", resume: "Resume", cancelJob: "Cancel job", requeue: "Requeue",
  did_pause: "Paused: {what}", did_drain: "Drains: {what}", did_resume: "Takes jobs again: {what}", did_cancel: "Canceled: {what}", did_requeue: "Queued again: {what}",
  priority: "Priority", priority_high: "high", priority_normal: "normal", priority_low: "low", jobs: "Jobs", oldest: "Oldest", queuedN: "{n} queued", finishingN: "{n} being finished",
  when: "When", end: "End", reason: "Reason", took: "Took", worker: "Worker", job: "Job", end_succeeded: "succeeded", end_failed: "failed", end_canceled: "canceled", end_expired: "expired",
  who: "Who", what: "What", target: "Target", outcome: "Outcome", act_pause: "pause", act_drain: "drain", act_resume: "resume", act_cancel: "cancel", act_requeue: "requeue",
};
const de = {
  brand: "Logo-Studio", skip: "Zu den Ergebnissen", nav: "Seiten", watch: "Betrieb", reference: "API", studio: "Studio",
  title: "Was soll das Logo zeigen?", prompt: "Beschreibung", promptHint: "a red fox head, geometric", suggestions: "Vorschläge",
  style: "Stil", noStyle: "keiner", colors: "Farben", colorN: "Farbe {n}", addColor: "Farbe hinzufügen", ground: "Grund", addGround: "Farbe des Grunds",
  text: "Text im Logo", layout: "Aufbau", layout_icon: "Zeichen", layout_wordmark: "Schriftzug", layout_combination: "Zeichen und Schrift",
  shape: "Form", square: "Quadrat", variations: "Varianten", source: "Mit einem Bild beginnen", sourceDrop: "Bild ablegen, einfügen oder wählen",
  sourceType: "Nur PNG, JPEG und WebP können ein Anfang sein.", sourceLarge: "Das Bild hat mehr als 8 MiB.", sourceTaken: "Beginnt mit {name}", sourceJob: "dieses Logo",
  strength: "Wie viel sich ändern darf", makes: "Dazu", transparent: "Transparenter Grund", svg: "Vektor (SVG)", icons: "Icons (zip)",
  more: "Größe, Seed, Schritte", size: "Größe", steps: "Schritte", seed: "Seed", auto: "automatisch", random: "zufällig", dice: "Anderer Seed", lock: "Festhalten", locked: "Fest",
  literal: "Beschreibung wörtlich nehmen", draw: "Zeichnen", yours: "Ihre Logos", search: "Suchen", empty: "Was Sie zeichnen, erscheint hier und bleibt in diesem Browser.",
  nothingFound: "Nichts heißt „{what}“.", remove: "Entfernen: {what}", seconds: "{n} s", minutes: "{n} min",
  promptShort: "Beschreiben Sie das Logo in mindestens {n} Zeichen.", outOfBounds: "{field}: von {low} bis {high}.",
  sending: "Wird gesendet …", queued: "Wartet", position: "Platz {n} in der Schlange", running: "Wird gezeichnet", step: "Schritt {n} von {of}", eta: "noch etwa {time}",
  finishing: "Dateien entstehen", succeeded: "Fertig", failed: "Gescheitert: {why}", canceled: "Abgebrochen", canceling: "Wird abgebrochen", expired: "Nicht rechtzeitig gezeichnet",
  gone: "Der Server hat diesen Auftrag nicht mehr.", offline: "Keine Verbindung. Der Auftrag läuft weiter; neuer Versuch folgt.", offlineSending: "Der Server ist nicht erreichbar. Neuer Versuch folgt.",
  waits: "{why}. Noch einmal in {n} s.", locked401: "Dafür braucht es einen API-Schlüssel.", tooLarge: "Das ist mehr, als der Server nimmt.", answered: "Der Server antwortet mit dem Status {status}.", tryNow: "Jetzt", cancel: "Abbrechen", close: "Schließen", change: "Ändern", drawAgain: "Noch einmal zeichnen",
  like: "Mehr davon", same: "Dasselbe, aber …", copyLink: "Link kopieren", forget: "Löschen", compareShort: "Vergleichen", compareThis: "Vergleichen: {what}", compare: "{n} vergleichen", compareTitle: "Nebeneinander",
  progress: "Fortschritt", grounds: "Grund", ground_white: "Weiß", ground_dark: "Dunkel", ground_checker: "Schachbrett", variationN: "Variante {n}, Seed {seed}",
  palette: "Farben der Zeichnung", copyColor: "{color} kopieren", copied: "Kopiert", inUse: "Im Einsatz", files: "Dateien", use_app: "App-Icon", use_paper: "Karte", use_header: "Kopfzeile",
  download: "Speichern", copyData: "Data-URL", drewIn: "gezeichnet in {n} s", filesGone: "Der Server hat die Dateien dieses Logos nicht mehr. Es lässt sich noch einmal genauso zeichnen.",
  filesAway: "Die Dateien sind gerade nicht zu bekommen.",
  showMore: "{n} weitere zeigen", noJob: "Diesen Auftrag gibt es hier nicht. Aufträge werden eine Zeit lang aufgehoben, und nur ihr eigener Schlüssel sieht sie.",
  keyTitle: "Dieser Server verlangt einen Schlüssel", keyWhy: "Er bleibt, bis dieser Tab geschlossen wird.", keyWrong: "Dieser Schlüssel ist hier nicht bekannt.", key: "API-Schlüssel", leave: "Jetzt nicht", goOn: "Weiter",
  watchPage: "Betrieb - Logo-Studio", watchTitle: "Was die Karten tun", operator: "Schlüssel des Betreibers", operatorEnd: "Als Betreiber gehen", operatorTitle: "Schlüssel des Betreibers", operatorWhy: "Er zeigt Aufträge und Schlüssel und öffnet die Eingriffe. Er bleibt, bis dieser Tab geschlossen wird.",
  workers: "Arbeiter", queue: "Schlange", audit: "Protokoll der Eingriffe", ends: "Letzte Enden", noAnswer: "Der Server antwortet nicht.", lastSeen: "Die Zahlen sind {n} s alt.",
  noWorkers: "Kein Arbeiter lebt.", queueEmpty: "Nichts wartet.", noEnds: "Noch ist nichts zu Ende.", noAudit: "Noch hat kein Betreiber eingegriffen.",
  ready: "bereit", loads: "lädt", draws: "zeichnet", paused: "angehalten", pausing: "beendet seinen Auftrag, hält dann", draining: "leert sich", waitsForRoom: "wartet auf Speicher",
  memory: "Speicher", perImage: "{n} s je Bild", notMeasured: "noch kein Bild", imagesN: "{n} Bilder", attemptN: "Versuch {n}", ofKey: "Schlüssel", noKey: "keiner",
  pause: "Anhalten", drain: "Leeren", resume: "Weiter", cancelJob: "Auftrag abbrechen", requeue: "Neu einreihen",
  did_pause: "Angehalten: {what}", did_drain: "Leert sich: {what}", did_resume: "Nimmt wieder Aufträge: {what}", did_cancel: "Abgebrochen: {what}", did_requeue: "Neu eingereiht: {what}",
  priority: "Vorrang", priority_high: "hoch", priority_normal: "normal", priority_low: "niedrig", jobs: "Aufträge", oldest: "Ältester", queuedN: "{n} warten", finishingN: "{n} in Fertigstellung",
  when: "Wann", end: "Ende", reason: "Grund", took: "Dauer", worker: "Arbeiter", job: "Auftrag", end_succeeded: "gelungen", end_failed: "gescheitert", end_canceled: "abgebrochen", end_expired: "abgelaufen",
  who: "Wer", what: "Was", target: "Ziel", outcome: "Ergebnis", act_pause: "anhalten", act_drain: "leeren", act_resume: "weiter", act_cancel: "abbrechen", act_requeue: "neu einreihen",
};
export const tables = {en, de};
export const language = navigator.language.toLowerCase().startsWith("de") ? "de" : "en";
const table = tables[language];

export function t(name, values = {}) {
  return (table[name] ?? en[name] ?? name).replaceAll(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

export const decimal = number => number.toLocaleString(language, {minimumFractionDigits: 1, maximumFractionDigits: 1});

// Puts the language's words into a page that is written in English.
export function apply(root) {
  document.documentElement.lang = language;
  if (language === "en") return;
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const [name, attribute] of [["data-t-label", "aria-label"], ["data-t-placeholder", "placeholder"]]) {
    for (const element of root.querySelectorAll(`[${name}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(name)));
      if (attribute === "aria-label" && element.title) element.title = t(element.getAttribute(name));
    }
  }
}

// Prompts are English in both: the models know no other language.
export const suggestions = () => [
  "a white rocket in a dark blue circle", "a red fox head, geometric", "a green leaf in a white circle",
  "a golden crown on a black shield", "a blue whale", "an orange coffee cup",
];
