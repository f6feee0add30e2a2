// The parts of /watch, each made of its figures.
import {bytes, duration, h} from "./dom.js";
import {language, t} from "./strings.js";
import {url} from "./server.js";

const time = at => h("time", {dateTime: new Date(at).toISOString(), title: new Date(at).toLocaleString()}, new Date(at).toLocaleTimeString());

// A sentence may have several lines; a time, a name or a number is one.
const isLong = cell => typeof cell === "string" && cell.length > 24 && cell.includes(" ");

function table(names, rows, empty) {
  if (!rows.length) return h("p.nothing-here", {}, empty);
  return h("table", {}, h("thead", {}, h("tr", {}, ...names.map(name => h("th", {scope: "col"}, name)))),
    h("tbody", {}, ...rows.map(row => h("tr", {}, ...row.map(cell => h(isLong(cell) ? "td.long" : "td", {}, ...[cell ?? "–"].flat()))))));
}

export function alerts(found) {
  return found.map(({alert, summary}) => h("div.alert", {}, h("strong", {}, alert), h("span", {}, summary)));
}

function meter(label, used, total) {
  if (!total) return null;
  return h("div.meter", {}, h("span", {}, label), h("progress", {max: total, value: used, "aria-label": label}), h("span.note", {}, `${bytes(used)} / ${bytes(total)}`));
}

function state(worker) {
  if (worker.hold === "paused") return ["paused", worker.busy ? t("pausing") : t("paused")];
  if (worker.hold === "draining") return ["paused", t("draining")];
  if (worker.waits_for_room) return ["bad", t("waitsForRoom")];
  if (worker.busy) return ["busy", t("draws")];
  return worker.ready ? ["ready", t("ready")] : ["paused", t("loads")];
}

export function workers({workers: found, whole}, act) {
  if (!found.length) return [h("li.nothing-here", {}, t("noWorkers"))];
  return found.map(worker => {
    const {name, job} = worker, [kind, words] = state(worker);
    const button = (label, action, id, run) => h("button.quiet.small", {type: "button", "data-act": `${action} ${id}`, "aria-label": `${label}: ${id}`, onclick: () => run(id, action)}, label);
    return h("li.worker", {},
      h("div.worker-top", {}, h("div", {}, h("h3", {}, name), h("p.facts", {}, [worker.device, worker.model.split("/").at(-1)].filter(Boolean).join(" · "))), h(`span.pill.${kind}`, {}, words)),
      job && h("div.job", {}, job.preview && h("img", {src: `data:image/jpeg;base64,${job.preview}`, alt: "", width: 64, height: 64}),
        h("div.grow-wrap", {}, job.prompt && h("p.title", {}, job.prompt),
          h("progress", {max: 1, value: job.steps ? job.step / job.steps : 0, "aria-label": t("progress")}),
          h("p.facts", {}, [job.steps ? t("step", {n: job.step, of: job.steps}) : t("running"), duration(job.seconds), job.images > 1 && t("imagesN", {n: job.images}), job.attempt > 1 && t("attemptN", {n: job.attempt}), job.key && `${t("ofKey")} ${job.key}`, job.canceling && t("canceling")].filter(Boolean).join(" · ")))),
      meter(t("memory"), worker.memory_used_bytes, worker.memory_total_bytes),
      h("p.facts", {}, worker.image_seconds ? t("perImage", {n: worker.image_seconds.toLocaleString(language)}) : t("notMeasured")),
      whole && h("div.actions", {}, worker.hold ? button(t("resume"), "resume", name, act.worker) : [button(t("pause"), "pause", name, act.worker), button(t("drain"), "drain", name, act.worker)],
        job && !job.canceling && button(t("cancelJob"), "cancel", job.id, act.job)));
  });
}

export function queue({queue: groups, queued, finishing, redis, whole}) {
  const names = [...whole ? [t("ofKey")] : [], t("priority"), t("jobs"), t("oldest")];
  const rows = groups.map(group => [...whole ? [group.key || t("noKey")] : [], t(`priority_${group.priority}`), String(group.jobs), duration(group.oldest_seconds)]);
  return [table(names, rows, t("queueEmpty")),
    h("p.facts", {}, [t("queuedN", {n: queued}), t("finishingN", {n: finishing}), `Redis ${bytes(redis.used_bytes)}${redis.max_bytes ? ` / ${bytes(redis.max_bytes)}` : ""}`].join(" · "))];
}

export function ends({ends: found, whole}, act) {
  const names = [t("when"), t("end"), t("reason"), t("took"), t("worker"), ...whole ? [t("ofKey"), t("job")] : []];
  return table(names, found.map(end => [time(end.at), h(`span.pill.${end.status}`, {}, t(`end_${end.status}`)), end.message ?? end.code, end.seconds === null ? null : duration(end.seconds), end.worker,
    ...whole ? [end.key || t("noKey"), [h("a", {href: url(`jobs/${end.id}`).href}, end.id.slice(0, 8)), ...end.status === "failed" ? [" ", h("button.quiet.small", {type: "button", "data-act": `requeue ${end.id}`, "aria-label": `${t("requeue")}: ${end.id}`, onclick: () => act.job(end.id, "requeue")}, t("requeue"))] : []]] : []]), t("noEnds"));
}

export function audit(notes) {
  // The outcome's note comes after that of the asking; what has both is one line.
  const answered = new Set(), lines = [];
  for (const note of notes) {
    const name = [note.operator, note.action, note.target].join();
    if (note.outcome !== "asked") answered.add(name);
    else if (answered.delete(name)) continue;
    lines.push(note);
  }
  return table([t("when"), t("who"), t("what"), t("target"), t("outcome")], lines.map(({at, operator, action, target, outcome}) => [time(at), operator, t(`act_${action}`), target, outcome]), t("noAudit"));
}
