// The fields in which staff correct an item of this device's own.

import { make } from "./dom.js";
import { button } from "./staff-buttons.js";
import { priceNote } from "./staff-price.js";
import { say } from "./words.js";

const FIELDS = { title: say("Its name"), sku: say("Its number (SKU)"), price: say("Price"), location: say("Where it is") };
let forms = 0; // made so far: their fields have names of their own
const LONGEST = { sku: 100 }; // letters; of the others 200

// A form with the item's fields. onSave(fields) saves them and is refused where it cannot; onCancel() leaves all as it was.
export function changeForm(item, { onSave, onCancel }) {
  forms += 1;
  const rows = Object.entries(FIELDS).map(([name, label]) => input(name, label, item[name]));
  const wrong = make("p", "wrong");
  wrong.dir = "auto";
  wrong.setAttribute("role", "alert");
  const save = make("button", "button strong", say("Save"));
  const another = button(say("Save as another"), () => ask({ another: true }));
  another.hidden = true;
  const fields = make("div", "fields", ...rows.map(({ row }) => row));
  const note = priceNote(rows.find(({ field }) => field.name === "price").field);
  const form = make("form", "naming", fields, note, wrong, make("div", "actions", save, another, button(say("Cancel"), onCancel)));
  form.autocomplete = "off";

  async function ask(more = {}) {
    const wanted = Object.fromEntries(rows.map(({ field }) => [field.name, field.value]));
    save.disabled = another.disabled = true;
    calm();
    try {
      await onSave({ ...wanted, ...more });
    } catch (error) {
      wrong.textContent = error.message;
      another.hidden = !(error.status === 409 && error.values.sku); // another item has the name
      save.hidden = !another.hidden;
    }
    save.disabled = another.disabled = false;
  }

  function calm() {
    wrong.textContent = "";
    another.hidden = true;
    save.hidden = false;
  }

  form.addEventListener("input", calm);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  return form;
}

function input(name, label, value) {
  const field = make("input");
  field.name = name;
  field.value = value;
  field.dir = "auto";
  field.maxLength = LONGEST[name] ?? 200;
  field.required = name === "title";
  field.id = `change-${forms}-${name}`;
  const words = make("label", "", label);
  words.htmlFor = field.id;
  return { field, row: make("div", "", words, field) };
}
