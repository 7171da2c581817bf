// Plots are drawn by the server. Here: saving one as PNG, and a table of values that stays open while curves grow.
() => {
  const save = (blob, name) => {
    const link = Object.assign(document.createElement('a'), {href: URL.createObjectURL(blob), download: name});
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const draw = (button) => {
    const picture = new Image();
    picture.onload = () => {
      const canvas = Object.assign(document.createElement('canvas'), {width: picture.width, height: picture.height});
      canvas.getContext('2d').drawImage(picture, 0, 0);
      canvas.toBlob((blob) => save(blob, button.dataset.png), 'image/png');
    };
    picture.src = button.parentElement.querySelector('a[download$=".svg"]').href;
  };
  const opened = new Set();  // each answer closes the tables, so what a person opened is remembered here
  const remember = ({dataset, open}) => opened[open ? 'delete' : 'add'](dataset.plot);  // as it was before the click
  document.addEventListener('click', ({target}) => {
    const button = target.closest('[data-png]'), summary = target.closest('details[data-plot] > summary');
    if (button) draw(button);
    if (summary) remember(summary.parentElement);
  });
  const reopen = () => document.querySelectorAll('details[data-plot]:not([open])').forEach(
    (values) => { values.open = opened.has(values.dataset.plot); });
  new MutationObserver(reopen).observe(document.body, {childList: true, subtree: true, attributeFilter: ['open']});
}
