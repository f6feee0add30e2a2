// The state of a job in words, and what is wrong with it.
import {duration} from "./dom.js";
import {t} from "./strings.js";

export const inFlight = record => ["sending", "followed"].includes(record.state);

export function words(record) {
  const {job, live = {}, problem, state} = record;
  if (state === "gone") return t("gone");
  if (state === "refused") {
    if (problem?.code === "canceled") return t("canceled");
    return problem?.message && problem.status !== 401 ? problem.message : t("locked401");
  }
  if (live.locked) return t("locked401");
  if (record.cancels) return t("canceling");
  if (state === "sending") {
    if (live.offline) return t("offlineSending");
    if (problem?.retryAt) return t("waits", {why: problem.message, n: Math.max(1, Math.ceil((problem.retryAt - Date.now()) / 1000))});
    return t("sending");
  }
  const offline = live.offline ? `${t("offline")} ` : "";
  if (job.cancel_requested && state === "followed") return offline + t("canceling");
  const eta = job.eta_seconds ? `, ${t("eta", {time: duration(job.eta_seconds)})}` : "";
  switch (job.status) {
    case "queued": return offline + (job.queue_position ? t("position", {n: job.queue_position}) : t("queued")) + eta;
    case "running": return offline + (job.progress.steps ? t("step", {n: job.progress.step, of: job.progress.steps}) : t("running")) + eta;
    case "finishing": return offline + t("finishing");
    case "succeeded": return t("succeeded");
    case "failed": return t("failed", {why: job.error?.message ?? ""});
    case "expired": return t("expired");
    default: return t("canceled");
  }
}

// Updates a progress bar; without a fraction it only shows that something goes on.
export function bar(element, record) {
  const fraction = record.job?.status === "queued" || !record.job ? null : record.job.progress.fraction;
  element.hidden = !inFlight(record);
  if (fraction === null) element.removeAttribute("value");
  else element.value = fraction;
}
