// The last two minutes of a number, as a line. What it was before this page was opened nobody knows.

import { svg } from './dom.js';

const SAMPLES = 60;
const WIDTH = 60;
const HEIGHT = 16;

export class Sparkline {
  constructor() {
    this.samples = [];
    this.line = svg('polyline', { 'vector-effect': 'non-scaling-stroke' });
    this.node = svg('svg', { class: 'sparkline', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.line);
  }

  // `null`: not known.
  add(value) {
    this.samples.push(value ?? 0);
    if (this.samples.length > SAMPLES) this.samples.shift();
    const top = Math.max(...this.samples, 1);
    const first = SAMPLES - this.samples.length;
    const points = this.samples.map((sample, place) => {
      const x = ((first + place) / (SAMPLES - 1)) * WIDTH;
      const y = HEIGHT - 1 - (sample / top) * (HEIGHT - 2);
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    this.line.setAttribute('points', points.join(' '));
  }
}
