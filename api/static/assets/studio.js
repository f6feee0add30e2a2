// The studio: joins form, board and stage, and gives each opened job its address, /jobs/ID.
import {Board} from "./board.js";
import {compare} from "./compare.js";
import {Desk} from "./desk.js";
import {el, tell} from "./dom.js";
import {Form} from "./form.js";
import {Refused, ROOT, options, url} from "./server.js";
import {Stage} from "./stage.js";
import {apply, t} from "./strings.js";

const MOST_COMPARED = 6;
const narrow = matchMedia("(max-width: 60rem)"); // the results are below the form
const desk = new Desk();
const chosen = []; // {record, index} to compare
let asked = null; // the record of what the form asked for last

const act = {
  open(record) {
    if (record.id) history.pushState({}, "", url(`jobs/${record.id}`));
    open(record);
    // The server may have it no more, or under other signed URLs.
    if (record.id && ["ended", "gone"].includes(record.state)) desk.fetch(record.id).catch(() => {});
    el("stage").scrollIntoView({block: narrow.matches ? "start" : "nearest"});
    el("stage-title").focus({preventScroll: true});
  },
  close() {
    history.pushState({}, "", ROOT);
    close();
    el("board-title").scrollIntoView({block: "nearest"});
    el("results").focus({preventScroll: true});
  },
  cancel: record => attempt(() => desk.cancel(record)),
  hurry: record => desk.hurry(record),
  same(record, seed, number = 1) {
    const asImage = "strength" in options.fields && record.job?.status === "succeeded" && record.state === "ended" && !record.live.gone ? record.id : null;
    form.take(record.body, {seed, image: asImage, number, upload: record.upload});
  },
  more(record) {
    const {seed: _, ...body} = record.body;
    act.drawn(desk.submit({...body, num_images: options.fields.num_images.maximum}, record.upload ?? null));
  },
  again: (record, seed) => act.drawn(desk.submit({...record.body, ...(seed === null ? {} : {seed})}, record.upload ?? null)),
  drawn(record) {
    open(record);
    if (narrow.matches) el("stage").scrollIntoView({block: "start"});
    if (location.pathname !== ROOT.pathname) history.pushState({}, "", ROOT);
  },
  forget: record => attempt(() => desk.forget(record, {onServer: record.state === "ended"})),
  compare(record, index = 0) {
    const at = chosen.findIndex(one => one.record.key === record.key && one.index === index);
    if (at >= 0) chosen.splice(at, 1);
    else chosen.push({record, index});
    if (chosen.length > MOST_COMPARED) chosen.shift();
    offerComparison();
    return at < 0;
  },
};

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    tell(error instanceof Refused ? error.message : t("noAnswer"));
  }
}

function offerComparison() {
  el("compare").hidden = chosen.length < 2;
  el("compare").textContent = t("compare", {n: chosen.length});
}

function changed(record) {
  // What was deleted is not compared.
  const there = chosen.filter(one => desk.records.has(one.record.key));
  if (there.length < chosen.length) {
    chosen.splice(0, chosen.length, ...there);
    offerComparison();
  }
  if (record && record === asked && record.state !== "sending") {
    asked = null;
    if (record.problem?.status === 422) form.refused(record.problem.message);
  }
}

function close() {
  stage.close();
  document.title = t("brand");
}

function open(record) {
  stage.open(record);
  document.title = `${record.body.prompt} - ${t("brand")}`;
}

// The job of the address, as the server has it; if it cannot say, as this browser has it.
async function route() {
  const id = location.pathname.slice(ROOT.pathname.length).match(/^jobs\/([^/]+)\/?$/)?.[1];
  if (!id) {
    close();
    return;
  }
  const known = desk.byId(id);
  if (known) open(known);
  if (narrow.matches) el("results").scrollIntoView();
  try {
    const record = await desk.fetch(id);
    if (stage.record !== record) open(record);
  } catch (error) {
    if (!known) stage.fail(error instanceof Refused ? (error.status === 404 ? t("noJob") : error.message) : t("offline"));
  }
}

apply(document);
const stage = new Stage(desk, act);
new Board(desk, act);
const form = new Form((body, upload) => act.drawn(asked = desk.submit(body, upload)));
desk.addEventListener("change", ({detail}) => changed(detail));
el("compare").addEventListener("click", () => compare(chosen));
el("skip").addEventListener("click", () => el("results").focus());
el("home").addEventListener("click", event => { event.preventDefault(); act.close(); });
addEventListener("popstate", route);
await desk.open();
await route();
document.documentElement.dataset.ready = "";
