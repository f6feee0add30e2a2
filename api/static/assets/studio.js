// The studio: joins form, board and stage, and gives each opened job its address, /jobs/ID.
import {Board} from "./board.js";
import {compare} from "./compare.js";
import {Desk} from "./desk.js";
import {el} from "./dom.js";
import {Form} from "./form.js";
import {Refused, ROOT, options, url} from "./server.js";
import {Stage} from "./stage.js";
import {apply, t} from "./strings.js";

const MOST_COMPARED = 6;
const narrow = matchMedia("(max-width: 60rem)"); // the results are below the form
const desk = new Desk();
const chosen = []; // {record, index} to compare

const act = {
  open(record) {
    if (record.id) history.pushState({}, "", url(`jobs/${record.id}`));
    open(record);
    el("stage").scrollIntoView({block: narrow.matches ? "start" : "nearest"});
    el("stage-title").focus({preventScroll: true});
  },
  close() {
    history.pushState({}, "", ROOT);
    stage.close();
    el("board-title").scrollIntoView({block: "nearest"});
    document.title = t("brand");
  },
  cancel: record => attempt(() => desk.cancel(record)),
  hurry: record => desk.hurry(record),
  same(record, seed, number = 1) {
    const asImage = "strength" in options.fields && record.job?.status === "succeeded" ? record.id : null;
    form.take(record.body, {seed, image: asImage, number});
  },
  more: record => act.drawn(desk.submit({...record.body, seed: undefined, num_images: options.fields.num_images.maximum})),
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
    el("compare").hidden = chosen.length < 2;
    el("compare").textContent = t("compare", {n: chosen.length});
    return at < 0;
  },
};

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    form.wrong(error instanceof Refused ? error.message : t("offline"));
  }
}

function open(record) {
  stage.open(record);
  document.title = `${record.body.prompt} - ${t("brand")}`;
}

// The job of the address, as the server has it; if it cannot say, as this browser has it.
async function route() {
  const id = location.pathname.slice(ROOT.pathname.length).match(/^jobs\/([^/]+)\/?$/)?.[1];
  if (!id) {
    stage.close();
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
const form = new Form((body, upload) => act.drawn(desk.submit(body, upload)));
el("compare").addEventListener("click", () => compare(chosen.filter(({record}) => desk.records.has(record.key))));
el("skip").addEventListener("click", () => el("results").focus());
el("home").addEventListener("click", event => { event.preventDefault(); act.close(); });
addEventListener("popstate", route);
await desk.open();
await route();
document.documentElement.dataset.ready = "";
