// One button that stops several runs. It is shown once the kernel has answered, so that a click is never lost.

const WORDS = { ready: "Stop all tries", stopping: "Stopping… Kill them now" };

function render({ model, el }) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "agl-stop-all";
  button.hidden = true;
  button.addEventListener("click", () => model.send({ op: "stop" }));
  const heard = (message) => {
    if (!(message?.op in WORDS)) return;
    button.textContent = WORDS[message.op];
    button.hidden = false;
  };
  model.on("msg:custom", heard);
  model.send({ op: "hello" });
  el.append(button);
  return () => model.off("msg:custom", heard);
}

export default { render };
