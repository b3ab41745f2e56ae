// The loop of a worker: it handles messages and trains in between, one thing after another, since
// two functions that run at the same time would pass on different states.

/** Handles messages {type, ...} by actions[type] and, while loop.running, calls work(). */
export function runWorker(actions, work) {
  const loop = { running: false };
  const pending = [];
  const channel = new MessageChannel();
  let wake;
  // Lets messages in.
  const yieldToMessages = () =>
    new Promise((resolve) => {
      channel.port1.onmessage = resolve;
      channel.port2.postMessage(0);
    });
  const nextMessage = () => new Promise((resolve) => (wake = resolve));
  onmessage = ({ data }) => {
    pending.push(data);
    wake?.();
  };
  const run = async () => {
    for (;;) {
      try {
        while (pending.length) {
          const message = pending.shift();
          await actions[message.type](message);
        }
        if (loop.running) {
          await work();
          await yieldToMessages();
        } else await nextMessage();
      } catch (error) {
        loop.running = false;
        postMessage({ type: "error", text: String(error.message || error) });
      }
    }
  };
  run();
  return loop;
}

/** Calls an asynchronous step until some time is over; returns what the last call returned. */
export async function repeatFor(step, ms = 30) {
  const end = performance.now() + ms;
  let last;
  do last = await step();
  while (performance.now() < end);
  return last;
}

const FRAME_MS = 200; // at least, between frames
const FRAME_SHARE = 5; // so many times as long as a frame takes is spent on training

/** Says when the next frame is due, and how many steps per second there were since the last. */
export class FrameClock {
  constructor(steps) {
    this.shown = performance.now();
    this.steps = steps;
    this.cost = 0;
  }

  isDue() {
    return performance.now() - this.shown > Math.max(FRAME_MS, FRAME_SHARE * this.cost);
  }

  stepsPerSecond(steps) {
    return (1000 * (steps - this.steps)) / (performance.now() - this.shown);
  }

  async show(steps, showFrame) {
    const start = performance.now();
    await showFrame();
    this.shown = performance.now();
    this.cost = this.shown - start;
    this.steps = steps;
  }
}

/** Bytes of a file of the page. */
export async function fetchBytes(path) {
  const response = await fetch(new URL(path, import.meta.url));
  if (!response.ok) throw new Error(`${path} is not there (${response.status}).`);
  return new Uint8Array(await response.arrayBuffer());
}
