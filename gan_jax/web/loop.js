// How a worker lives: it obeys messages, and works while it is told to run; one thing after the other, since programs at the
// same time would pass on different states.

/** Handles messages {type, ...} by actions[type] and, while loop.running, calls work(), some 30 ms of it, again and again. */
export function serve(actions, work) {
  const loop = { running: false }, pending = [], channel = new MessageChannel();
  let wake;
  const rest = () => new Promise((resolve) => { // lets messages in
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(0);
  });
  onmessage = ({ data }) => {
    pending.push(data);
    wake?.();
  };
  const live = async () => {
    for (;;) {
      try {
        while (pending.length) {
          const message = pending.shift();
          await actions[message.type](message);
        }
        if (loop.running) {
          await work();
          await rest();
        } else await new Promise((resolve) => (wake = resolve));
      } catch (error) {
        loop.running = false;
        postMessage({ type: "error", text: String(error.message || error) });
      }
    }
  };
  live();
  return loop;
}

/** Calls an asynchronous step until some time is over; returns what the last one gave. */
export async function repeat(step, ms = 30) {
  const until = performance.now() + ms;
  let last;
  do last = await step();
  while (performance.now() < until);
  return last;
}

const FRAME_MS = 200; // at least, between pictures; and pictures take a sixth of the time at most

/** Says when the next picture is due, and how many steps there were per second since the last. */
export class Clock {
  constructor() {
    this.shown = performance.now();
    this.steps = this.cost = 0;
  }

  due() {
    return performance.now() - this.shown > Math.max(FRAME_MS, 5 * this.cost);
  }

  speed(steps) {
    return (1000 * (steps - this.steps)) / (performance.now() - this.shown);
  }

  async show(steps, picture) {
    const began = performance.now();
    await picture();
    this.shown = performance.now();
    this.cost = this.shown - began;
    this.steps = steps;
  }
}

/** Bytes of a file of the page. */
export async function fetched(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path} is not there (${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}
