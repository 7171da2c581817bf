// A camera in the page needs https or this very computer; elsewhere the device's own camera takes its place.
() => {
  const camera = Boolean(navigator.mediaDevices && navigator.mediaDevices.getUserMedia);
  document.body.classList.toggle('tl-no-camera', !camera);
  if (camera) return;
  const ask = () => document.querySelectorAll('.tl-without-camera input[type=file]:not([capture])').forEach(
    (input) => { input.setAttribute('capture', 'environment'); });
  ask(); new MutationObserver(ask).observe(document.body, {childList: true, subtree: true});
}
