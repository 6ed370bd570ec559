// The first-run page: asks every second and a half whether the first trace has come, then opens it.

const box = document.querySelector('[data-waiting]');

async function look() {
  try {
    const answer = await fetch(box.dataset.waiting, { headers: { Accept: 'application/json' } });
    const found = answer.ok ? await answer.json() : {};
    if (found.href) {
      location.assign(found.href);
      return;
    }
  } catch {
    // the server may be restarting: the next look tells
  }
  setTimeout(look, document.hidden ? 5000 : 1500);
}

if (box) setTimeout(look, 1000);
