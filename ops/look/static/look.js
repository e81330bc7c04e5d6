// Shows the widgets of a dashboard by the contract of CloudWatch's custom widgets (CloudWatch User Guide, "Create a
// custom widget"): their HTML without script, with cwdb-action acting on the element before it, and forms.
"use strict";

const controls = document.getElementById("controls");
const status = document.getElementById("status");
const popup = document.getElementById("popup");
const details = document.getElementById("details");
const back = document.getElementById("back");
const REMOVED = "script, iframe, use, object, embed, link, meta, base";
const ADDRESSES = ["href", "xlink:href", "src", "srcset", "action", "formaction", "ping", "poster", "background"];
const HOUR = 3600 * 1000;

let dashboard;
const shown = [];  // what the popup showed before

async function call(endpoint, event) {
  const response = await fetch("call", {
    method: "POST",
    headers: {"Content-Type": "application/json"},
    body: JSON.stringify({endpoint, event}),
  });
  const answer = await response.json();
  if ("error" in answer) throw new Error(answer.error);
  return answer.result;
}

function theme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  return controls.theme.value === "auto" ? (dark ? "dark" : "light") : controls.theme.value;
}

function timeRange() {
  const moment = (field) => Date.parse(`${field.value}Z`);
  if (controls.range.value === "absolute" && controls.from.value && controls.to.value) {
    return {mode: "absolute", start: moment(controls.from), end: moment(controls.to)};
  }
  const length = (Number(controls.range.value) || 3) * HOUR, end = Date.now();
  return {mode: "relative", start: end - length, end, relativeStart: length};
}

// A property variable replaces the property of its name everywhere.
function withVariables(value, chosen) {
  if (Array.isArray(value)) return value.map((each) => withVariables(each, chosen));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(
    ([key, each]) => [key, key in chosen ? chosen[key] : withVariables(each, chosen)]));
}

function properties(widget) {
  const chosen = {};
  for (const each of dashboard.body.variables || []) chosen[each.property] = controls.elements[each.id].value;
  return withVariables(widget.properties, chosen);
}

function forms(root) {
  const all = {};
  for (const field of root.querySelectorAll("input[name], select[name], textarea[name]")) {
    if (!["checkbox", "radio"].includes(field.type) || field.checked) all[field.name] = field.value;
  }
  return all;
}

function context(widget, place) {
  const {params, title} = properties(widget);
  return {
    dashboardName: dashboard.name, widgetId: `widget-${dashboard.body.widgets.indexOf(widget)}`, accountId: "",
    locale: "en", timezone: {label: "UTC", offsetISO: "+00:00", offsetInMinutes: 0}, period: 300, isAutoPeriod: true,
    timeRange: timeRange(), theme: theme(), linkCharts: true, title, params: params || {},
    forms: {all: {...forms(place.widget.root), ...forms(place.root)}},
    width: place.host.clientWidth, height: place.host.clientHeight,
  };
}

// A place is an element that shows what a function returned: a widget, or the popup.
function makePlace(host, box, title) {
  return {host, box, title, root: host.attachShadow({mode: "open"}), asked: 0, widget: null, of: null};
}

async function load(place, widget, event, endpoint) {
  const asked = ++place.asked;
  place.box.setAttribute("aria-busy", "true");
  status.textContent = `Loading ${place.title} …`;
  let result, failed = false;
  try {
    const {params, endpoint: own} = properties(widget);
    result = await call(endpoint || own, {...(event || params), widgetContext: context(widget, place)});
  } catch (error) {
    failed = true;
    result = String(error.message || error);
  }
  if (asked !== place.asked) return;  // it was asked for something else since
  place.box.removeAttribute("aria-busy");
  status.textContent = `${failed ? "Could not load" : "Loaded"} ${place.title}.`;
  show(place, widget, failed ? {text: result} : result);
}

function show(place, widget, result) {
  place.of = widget;
  place.result = result;
  if (typeof result === "string") {
    place.root.replaceChildren(...clean(result));
  } else {
    const text = document.createElement("pre");
    text.textContent = result.text || result.markdown || JSON.stringify(result, null, 2);
    place.root.replaceChildren(text);
  }
  for (const action of place.root.querySelectorAll("cwdb-action")) bind(place, action);
  for (const form of place.root.querySelectorAll("form")) {
    const submit = () => form.querySelector("cwdb-action")?.previousElementSibling?.click();
    form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("input")) { event.preventDefault(); submit(); }
    });
  }
}

// Parsing runs no script and loads nothing; what could do so later is taken out. The content security policy of the
// page would refuse it, too.
function clean(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  for (const each of parsed.querySelectorAll(REMOVED)) each.remove();
  for (const each of parsed.querySelectorAll(":not(cwdb-action)")) {
    for (const {name} of [...each.attributes]) {
      if (name.startsWith("on") || ADDRESSES.includes(name)) each.removeAttribute(name);
    }
  }
  return [...parsed.head.childNodes, ...parsed.body.childNodes];
}

function bind(place, action) {
  action.hidden = true;
  const target = action.previousElementSibling;
  if (!target) return;
  const run = (event) => { event.preventDefault(); act(place, action); };
  target.addEventListener(action.getAttribute("event") || "click", run);
  if (!target.matches("button, input, select, summary")) {
    target.tabIndex = 0;
    target.setAttribute("role", "button");
    target.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") run(event); });
  }
}

function act(place, action) {
  const question = action.getAttribute("confirmation");
  if (question && !window.confirm(question)) return;
  const inPopup = action.getAttribute("display") === "popup";
  const target = inPopup ? popupPlace : place.widget;
  const widget = place.of;
  if (inPopup) {
    if (popup.open) shown.push([popupPlace.of, popupPlace.result]);
    popupPlace.widget = place.widget;
    back.hidden = !shown.length;
    if (!popup.open) { popupPlace.root.replaceChildren(); popup.showModal(); }
  } else if (popup.open) {
    popup.close();
  }
  if (action.getAttribute("action") === "call") {
    load(target, widget, JSON.parse(action.textContent), action.getAttribute("endpoint"));
  } else {
    show(target, widget, action.innerHTML);
  }
}

const popupPlace = makePlace(details, popup, "details");
popupPlace.widget = popupPlace;
back.addEventListener("click", () => {
  popupPlace.asked++;
  popup.removeAttribute("aria-busy");
  show(popupPlace, ...shown.pop());
  back.hidden = !shown.length;
});
document.getElementById("close").addEventListener("click", () => popup.close());
popup.addEventListener("close", () => { shown.length = 0; popupPlace.asked++; });

function refresh() {
  document.documentElement.dataset.theme = theme();
  for (const place of places) load(place, place.source);
}

const places = [];

function build() {
  for (const each of dashboard.body.variables || []) {
    const label = document.createElement("label"), select = document.createElement("select");
    select.name = select.id = each.id;
    for (const {value, label: text} of each.values) select.add(new Option(text || value, value));
    select.value = each.defaultValue;
    label.append(`${each.label || each.id} `, select);
    document.getElementById("variables").append(label);
  }
  for (const [index, widget] of dashboard.body.widgets.entries()) {
    const box = document.createElement("section"), title = document.createElement("h2");
    const host = document.createElement("div");
    title.id = `title-${index}`;
    title.textContent = widget.properties.title || "";
    box.style.gridColumn = `span ${widget.width}`;
    box.setAttribute("aria-labelledby", title.id);
    box.append(title, host);
    document.getElementById("widgets").append(box);
    const place = makePlace(host, box, title.textContent);
    place.widget = place;
    place.source = widget;
    places.push(place);
  }
}

controls.addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
controls.addEventListener("change", () => {
  const absolute = controls.range.value === "absolute";
  for (const label of document.querySelectorAll(".absolute")) label.hidden = !absolute;
  if (!absolute || (controls.from.value && controls.to.value)) refresh();
});

fetch("dashboard").then((response) => response.json()).then((found) => {
  dashboard = found;
  build();
  refresh();
});
